"""The page: what it says, and what it must not contain."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from audited import CONTEXT, audited

from unlearning_pl.audits import Audit, compare, compute_audit
from unlearning_pl.errors import InputError
from unlearning_pl.report import write_report
from unlearning_pl.report.metric_terms import TERMS
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict, label


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


@pytest.fixture(scope="module")
def audits() -> list[Audit]:
    return audited({"original": 1.0, "retrained": 0.0, "ac": 0.2, "neg_grad": 0.8})


@pytest.fixture(scope="module")
def page(audits: list[Audit], tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(tmp_path_factory.mktemp("page") / "audit", audits, CONTEXT).read_text()


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", re.sub(r"<style.*?</style>", "", page, flags=re.DOTALL)).split())


def test_page_is_whole_and_stands_alone(page: str) -> None:
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert not re.search(r"url\((?!#)|@import", page)
    assert len(page) < 3_000_000
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_page_says_what_was_asked_and_found(page: str, audits: list[Audit]) -> None:
    text = words(page)
    for said in (CONTEXT["fingerprint"], "retain: 60; forget: 24", "2 CPU cores", "torch 2.13.0", "original: 0; ac: 3"):
        assert said in text
    assert "all of class cat &amp; dog, &lt;i&gt;odd&lt;/i&gt;" in text
    assert "ac : AlignmentCalibration (alpha: 1.0; optimizer: SGD; lr: 0.1; epochs: 3)" in text
    low, high = audits[2].intervals["membership_auc"]
    assert f"{low:.3f} to {high:.3f}" in text
    assert f"{audits[2].metrics['encoder_mi']:.1f} %" in text
    assert f"{30 / audits[2].metrics['seconds']:.1f} times faster than retraining" in text
    assert all(letters in text for letters in ("RA", "TA", "UA", "EMIA", "CMIA"))
    assert page.count('<p class="soft">Before: the original') == 3  # every model but the original itself


def test_sections_come_in_order(page: str) -> None:
    titles = [title.strip() for title in re.findall(r"<h2>([^<]*)", page)]
    assert titles == [
        "Result",
        "What was asked",
        "Other models",
        "What this does not show",
        "Comparison",
        "Membership scores before and after",
        "What an attacker finds at each false positive rate",
        "Alignment of the forget images",
        "Map of the embedding space",
        "Accuracy per class",
        "Confidence and loss",
        "What training on retain images brings back",
        "Words and definitions",
        "Request and data",
        "Models and settings",
        "Environment",
        "How to repeat it",
    ]


def test_every_metric_is_shown_once_and_explained(page: str, audits: list[Audit]) -> None:
    shown = re.findall(r'<th scope="row">(.*?)(?: <span class="letters">.*?</span>)?</th>', page)
    known = [term for term in TERMS if any(term.key in audit.metrics for audit in audits)]
    assert sorted(title for title in shown if title in {term.title for term in known}) == sorted(t.title for t in known)
    assert all(term.meaning in html.unescape(page) for term in known)
    first, _, further = page.partition("Further measurements")
    assert "Population attack, AUC" in first
    assert "Epochs to relearn" in further


def test_figures_are_described(page: str) -> None:
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    # The first screen's; of four models: scores, one panel of curves, three maps for each but the original, spaces, two
    # histograms, three curves of relearning
    assert len(labels) == page.count("<svg") == 1 + 4 + 1 + 3 * 3 + 4 + 2 * 4 + 3
    for words_ in ("Histogram of the membership score of ac.", "ROC curves", "Histogram of the loss of neg_grad."):
        assert any(label.startswith(words_) for label in labels)


def test_many_models_are_folded_and_have_a_curve_each(tmp_path: Path, audits: list[Audit]) -> None:
    original, retrained, *others = (replace(audit, alignment=torch.zeros(0, 0), map={}) for audit in audits)
    five = [replace(others[0], name=f"model{row}") for row in range(5)]
    page = write_report(tmp_path, [original, retrained, *five]).read_text()
    assert page.count('<details class="card"><summary><h3>') == 6  # the first is on the first screen
    labels = re.findall(r'aria-label="(ROC curves[^"]+)"', page)
    assert len(labels) == 5
    assert all("original: AUC" in label and "retrained: AUC" in label for label in labels)
    assert page.count('<span class="tag bad">') + page.count('<span class="tag open">') >= 6


def test_classes_are_compared_with_the_retrained_model(tmp_path: Path) -> None:
    def model(name: str, *values: float) -> Audit:
        return Audit(name, {}, {}, torch.zeros(0, 0), class_accuracy={"test": torch.tensor(values)})

    audits = [model("retrained", 50.0, 60.0), model("ac", 70.0, float("nan")), model("coun", 20.0, 60.0)]
    page = write_report(tmp_path, audits, {"class_names": ["cat", "dog"]}).read_text()
    assert '<td class="more" style="--tone: 40%">70.0 %<span class="gap">+20.0</span>' in page
    assert '<td class="less" style="--tone: 60%">20.0 %<span class="gap">-30.0</span>' in page
    assert '<td>60.0 %<span class="gap">+0.0</span>' in page
    assert '<td><span class="none">-</span>' in page


def test_of_many_classes_those_that_tell_models_apart_are_shown(tmp_path: Path) -> None:
    values = torch.full((30,), 50.0)
    other = values.clone()
    other[25] = 90.0
    audits = [
        Audit(name, {}, {}, torch.zeros(0, 0), class_accuracy={"test": found})
        for name, found in (("a", values), ("b", other))
    ]
    page = write_report(tmp_path, audits, {"class_names": [f"class-{number}" for number in range(30)]}).read_text()
    assert "10 others are in report.json" in page
    assert "class-25" in page
    assert page.count('<th scope="row">class-') == 20


def test_a_black_box_shows_what_it_has(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = compute_audit("after", {"forget": replace(make()["forget"], losses=None)})
    told = {"question": "24 of my images.", "conclusion": "They are <gone>.", "models": {"after": "http://127.0.0.1:1"}}
    page = write_report(tmp_path, [replace(audit, class_accuracy={}, map={})], told).read_text()
    text = words(page)
    assert all(said in text for said in ("24 of my images.", "They are &lt;gone&gt;.", "after at http://127.0.0.1:1"))
    assert "Retain accuracy" not in text
    assert "The other training images" not in text
    assert "retrained model:" not in text
    assert "attacker finds" not in text
    assert "Accuracy per class" not in text
    Balanced().feed(page)


def test_nearest_model_is_shaded_and_the_original_never(page: str) -> None:
    row = next(row for row in page.split("<tr>") if "Membership AUC, forget against test" in row)
    cells = row.split("<td")[1:]
    assert ['class="nearest"' in cell for cell in cells] == [True, False, False, False]


def test_the_unlearned_model_comes_first(page: str, audits: list[Audit]) -> None:
    head = re.search(r"<thead><tr>(.*?)</tr>", page)
    assert head is not None
    assert re.findall(r'<th scope="col">([^<]+)', head.group(1)) == ["Metric", "ac", "neg_", "original", "retrained"]
    text = words(page)
    assert text.index("ac " + label(audits[2])) < text.index("original " + label(audits[0]))


def test_the_first_screen_says_what_the_verdict_says(page: str, audits: list[Audit]) -> None:
    answer = html.unescape(page.partition('<section class="answer"')[2].partition("</section>")[0])
    verdict = audits[2].verdict
    assert verdict is not None
    for sentence in (describe_verdict(audits[2]), describe_attack(audits[2]), describe_power(audits[2])):
        assert answer.count(sentence) == 1
    assert f"<dd>{abs(verdict.headline.value):.3f}</dd>" in answer
    assert "{:+.3f} to {:+.3f}".format(*verdict.interval) in answer
    assert f"<dt>floor, of images alone</dt><dd>{verdict.floor:.3f}</dd>" in answer
    assert "Before: the original" in answer
    assert "After: ac" in answer


def test_a_conclusion_does_not_repeat_the_first_screen(tmp_path: Path, audits: list[Audit]) -> None:
    said = f"{describe_verdict(audits[2])} {describe_power(audits[2])} Give more images."
    page = html.unescape(words(write_report(tmp_path, audits, {"conclusion": said}).read_text()))
    text = page.partition("Other models")[0]
    assert text.count(describe_verdict(audits[2])) == 1
    assert "Give more images." in text


def test_limits_are_stated(page: str, tmp_path: Path, audits: list[Audit]) -> None:
    limits = words(page).partition("What this does not show")[2].partition("Comparison")[0]
    for said in (
        "may find what these do not",
        "known attacks",
        "the floor is estimated from the images alone",
        "must not offer both",
    ):
        assert said in limits
    assert "arXiv 2405.20272" in limits
    assert "arXiv 2404.03233" in limits
    without = words(write_report(tmp_path, [audits[0], audits[2]]).read_text())
    assert "the floor" not in without.partition("What this does not show")[2].partition("Comparison")[0]


def test_several_retrained_models_are_one_reference(tmp_path: Path, audits: list[Audit]) -> None:
    original, retrained, model, _ = audits
    second = replace(retrained, name="retrained_2", metrics=retrained.metrics | {"retain_accuracy": 10.0})
    first = replace(retrained, metrics=retrained.metrics | {"retain_accuracy": 20.0})
    model = replace(model, metrics=model.metrics | {"retain_accuracy": 18.0})
    page = write_report(tmp_path, [original, first, second, model]).read_text()
    row = next(row for row in page.split("<tr>") if ">Retain accuracy <" in row)
    assert '18.0 %<span class="gap">+3.0</span>' in row
    assert row.count('class="gap"') == 2  # of the model and the original
    assert page.count("the reference</span>") == 2
    assert "mean of the retrained models" in page


def test_markup_in_names_is_text(tmp_path: Path, make) -> None:  # noqa: ANN001
    name = '<script>alert("x_y")</script>'
    audits = compare([compute_audit("original", make(1.0)), compute_audit(name, make(0.2))], "original")
    page = write_report(tmp_path, audits, {**CONTEXT, "title": name, "settings": {name: {name: name}}}).read_text()
    assert "<script" not in page
    assert "<i>odd" not in page
    assert "&lt;script&gt;" in page
    assert "cat &amp; dog" in page
    Balanced().feed(page)


def test_a_dollar_in_a_name_is_not_mathematics(tmp_path: Path, make) -> None:  # noqa: ANN001
    assert "a$_{$b" in words(write_report(tmp_path, [compute_audit("a$_{$b", make())]).read_text().replace("<wbr>", ""))


def test_what_is_undefined_is_said(tmp_path: Path, make) -> None:  # noqa: ANN001
    audit = compute_audit("ac", make(sizes=(60, 1, 0)))
    text = words(write_report(tmp_path, [audit]).read_text())
    assert "not defined" in text
    assert "No retrained model was audited" in text
    assert "nan" not in text.lower()
    assert "Speed-up" not in text


def test_no_audits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one audit or more"):
        write_report(tmp_path, [])


def test_eight_models_with_noisy_maps_stay_small(tmp_path: Path, audits: list[Audit]) -> None:
    names = ["original", "retrained", *"abcdef"]
    points = {"retain": torch.rand(300, 3), "test": torch.rand(100, 3), "forget": torch.rand(200, 3)}
    eight = [replace(audits[0], name=name, alignment=2 * torch.rand(200, 200) - 1, map=points) for name in names]
    assert write_report(tmp_path, eight).stat().st_size < 3_000_000
