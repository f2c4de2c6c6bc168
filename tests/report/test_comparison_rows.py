"""The comparison of the models: every metric once, gaps to all retrained models, the nearest shaded."""

import html
import re
from dataclasses import replace
from pathlib import Path

from unlearning_pl.audits import Audit
from unlearning_pl.report import write_report
from unlearning_pl.report.metric_terms import TERMS


def test_every_metric_is_shown_once_and_explained(page: str, audits: list[Audit]) -> None:
    shown = re.findall(r'<th scope="row">(.*?)(?: <span class="letters">.*?</span>)?</th>', page)
    known = [term for term in TERMS if any(term.key in audit.metrics for audit in audits)]
    assert sorted(title for title in shown if title in {term.title for term in known}) == sorted(t.title for t in known)
    assert all(term.meaning in html.unescape(page) for term in known)
    first, _, further = page.partition("Further measurements")
    assert "Population attack, AUC" in first
    assert "Epochs to relearn" in further


def test_nearest_model_is_shaded_and_the_original_never(page: str) -> None:
    row = next(row for row in page.split("<tr>") if "Membership AUC, forget against test" in row)
    cells = row.split("<td")[1:]
    assert ['class="nearest"' in cell for cell in cells] == [True, False, False, False]


def test_a_broken_model_is_neither_the_nearest_nor_the_first(tmp_path: Path, audits: list[Audit]) -> None:
    original, retrained, near, far = audits
    assert near.verdict is not None
    near = replace(near, verdict=replace(near.verdict, kind="broken", reason="constant"))
    third = replace(far, name="third", metrics=far.metrics | {"membership_auc": far.metrics["membership_auc"] + 0.01})
    page = write_report(tmp_path, [original, retrained, near, far, third]).read_text()
    assert re.findall(r"<h3>(\w+)", page)[0] == "neg_grad"
    row = next(row for row in page.split("<tr>") if "Membership AUC, forget against test" in row)
    assert ['class="nearest"' in cell for cell in row.split("<td")[1:]] == [True, False, False, False, False]
    head = re.search(r"<thead><tr>(.*?)</tr>", page)
    assert head is not None
    assert re.findall(r'<th scope="col">([^<]+)', head.group(1))[1:4] == ["neg_", "third", "ac"]


def test_several_retrained_models_are_one_reference(tmp_path: Path, audits: list[Audit]) -> None:
    original, retrained, model, _ = audits
    second = replace(
        retrained, name="retrained_2", metrics=retrained.metrics | {"retain_accuracy": 10.0, "test_recall": 70.0}
    )
    first = replace(retrained, metrics=retrained.metrics | {"retain_accuracy": 20.0, "test_recall": 80.0})
    model = replace(model, metrics=model.metrics | {"retain_accuracy": 18.0, "test_recall": 60.0})
    page = write_report(tmp_path, [original, first, second, model]).read_text()
    row = next(row for row in page.split("<tr>") if ">Retain accuracy <" in row)
    assert '18.0 %<span class="gap">+3.0</span>' in row
    assert row.count('class="gap"') == 2  # of the model and the original
    assert page.count("the reference</span>") == 2
    row = next(row for row in page.split("<tr>") if ">Test pairs found <" in row)
    assert '60.0 %<span class="gap">-15.0</span>' in row
    assert "Test recall 60.0 % (-15.0 points against the retrained models on average)." in page
    assert "mean of the retrained models" in page
