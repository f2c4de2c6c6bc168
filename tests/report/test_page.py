"""The report: what it says, what it must not contain, and its JSON."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from unlearning_pl.audits import Audit, compare, judge
from unlearning_pl.errors import InputError
from unlearning_pl.report import write_report
from unlearning_pl.report.terms import TERMS

CONTEXT = {
    "title": "Digits",
    "dataset": "digits",
    "fingerprint": "sha256:abc",
    "request": {"by": "classes", "classes": ["cat & dog", "<i>odd</i>"], "seed": None},
    "counts": {"retain": 60, "forget": 24},
    "commands": ["unlearning-pl audit --model 'runs/a b'"],
    "versions": {"torch": "2.13.0"},
    "date": "2026-11-21",
    "hardware": "2 CPU cores",
    "settings": {"ac": {"alpha": 1.0, "path": Path("runs/ac"), "bad": float("nan")}},
}


class Balanced(HTMLParser):
    """Fails on a tag that is closed wrongly or stays open."""

    VOID = frozenset({"meta", "wbr", "br", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def audits(make) -> list[Audit]:  # noqa: ANN001
    three = [
        judge("original", make(1.0), 40.0),
        judge("retrained", make(0.0), 30.0),
        judge("ac", make(0.2), 2.0),
    ]
    return compare([*three, judge("neg_grad", make(0.8), 1.0)], "original", "retrained")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)).split())


def test_page_is_whole_and_stands_alone(tmp_path: Path, audits: list[Audit]) -> None:
    path = write_report(tmp_path / "audit", audits, CONTEXT)
    assert path == tmp_path / "audit" / "report.html"
    page = path.read_text()
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"url\((?!#)|@import", page)
    assert len(page) < 2_000_000
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_page_says_what_was_asked_and_found(tmp_path: Path, audits: list[Audit]) -> None:
    page = write_report(tmp_path, audits, CONTEXT).read_text()
    text = words(page)
    for said in ("sha256:abc", "retain: 60; forget: 24", "2 CPU cores", "torch 2.13.0", "Settings of ac"):
        assert said in text
    assert f"AUC {audits[2].metrics['membership_auc']:.2f} (0.50 = cannot tell; retrained reference" in text
    assert f"{audits[2].metrics['encoder_mi']:.1f} %" in text
    assert "15.0 times faster than retraining" in text
    assert all(letters in text for letters in ("RA", "TA", "UA", "EMIA"))
    assert page.count('<p class="soft">Before: the original') == 3  # every model but the original itself


def test_figures_are_described(tmp_path: Path, audits: list[Audit]) -> None:
    page = write_report(tmp_path, audits, CONTEXT).read_text()
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == page.count("<svg") == 4 + 3 * 3
    assert any(label.startswith("Histogram of the membership scores of ac.") for label in labels)


def test_nearest_model_is_shaded_and_the_original_never(tmp_path: Path, audits: list[Audit]) -> None:
    page = write_report(tmp_path, audits, CONTEXT).read_text()
    row = next(row for row in page.split("<tr>") if "Membership AUC, forget against test" in row)
    cells = row.split("<td")[1:]
    assert ['class="nearest"' in cell for cell in cells] == [False, False, True, False]


def test_markup_in_names_is_text(tmp_path: Path, make) -> None:  # noqa: ANN001
    name = '<script>alert("x_y")</script>'
    audits = compare([judge("original", make(1.0)), judge(name, make(0.2))], "original")
    page = write_report(tmp_path, audits, {**CONTEXT, "title": name, "settings": {name: {name: name}}}).read_text()
    assert "<script" not in page
    assert "<i>odd" not in page
    assert "&lt;script&gt;" in page
    assert "cat &amp; dog" in page
    Balanced().feed(page)


def test_a_dollar_in_a_name_is_not_mathematics(tmp_path: Path, make) -> None:  # noqa: ANN001
    assert "a$_{$b" in words(write_report(tmp_path, [judge("a$_{$b", make())]).read_text().replace("<wbr>", ""))


def test_what_is_undefined_is_said(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = judge("ac", make(sizes=(60, 1, 0)))
    text = words(write_report(tmp_path, [audit]).read_text())
    assert "not defined" in text
    assert "No retrained model was audited" in text
    assert "nan" not in text.lower()
    assert "Speed-up" not in text
    assert "membership_auc" not in json.loads((tmp_path / "report.json").read_text())["audits"][0]["metrics"]


def test_json_holds_the_numbers_by_id(tmp_path: Path, audits: list[Audit]) -> None:
    ids = {"forget": [f"image-{row}" for row in range(24)]}
    write_report(tmp_path, audits, {**CONTEXT, "ids": ids})
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["version"] == 1
    assert "ids" not in document["context"]
    assert document["context"]["settings"]["ac"] == {"alpha": 1.0, "path": "runs/ac", "bad": None}
    record = document["audits"][2]
    assert record["name"] == "ac"
    assert record["metrics"] == audits[2].metrics
    assert record["scores"]["forget"]["image-3"] == pytest.approx(audits[2].scores["forget"][3].item(), abs=1e-6)
    assert record["scores"]["test"]["39"] == pytest.approx(audits[2].scores["test"][39].item(), abs=1e-6)
    assert record["forget_alignment"]["image-5"] == pytest.approx(audits[2].alignment[5, 5].item(), abs=1e-6)
    assert set(record["metrics"]) <= {term.key for term in TERMS}


@pytest.mark.parametrize("ids", [["a"] * 24, ["a", "b"]])
def test_ids_that_do_not_fit_are_refused_before_anything_is_written(tmp_path: Path, audits, ids) -> None:  # noqa: ANN001
    with pytest.raises(InputError, match="one id for each of the 24 forget images"):
        write_report(tmp_path, audits, {"ids": {"forget": ids}})
    assert not list(tmp_path.iterdir())


def test_no_audits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one audit or more"):
        write_report(tmp_path, [])


def test_eight_models_with_noisy_maps_stay_small(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = judge("original", make())
    noise = [2 * torch.rand(200, 200) - 1 for _ in range(8)]
    names = ["original", "retrained", *"abcdef"]
    audits = [Audit(n, audit.metrics, audit.scores, m) for n, m in zip(names, noise, strict=True)]
    assert write_report(tmp_path, audits).stat().st_size < 2_000_000
