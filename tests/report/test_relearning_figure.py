"""What training on retain images brings back: a panel for each measure that some model has, a line for each model."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from unlearning_pl.audits import Audit
from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.report import write_report
from unlearning_pl.report.relearning_figure import MEASURES, relearning_figure
from unlearning_pl.report.sections import relearning

CURVE = RelearningCurve((0, 1, 2), (50.0, 75.0, 100.0), (0.5, 0.6, 0.7), (2.0, 1.5, 1.0))
TITLE = "What training on retain images brings back"


def model(name: str, curve: RelearningCurve | None = CURVE) -> Audit:
    return Audit(name, {}, {}, torch.zeros(0, 0), retain_relearning=curve)


@pytest.mark.parametrize("measure", MEASURES)
def test_each_model_has_its_line(measure: str) -> None:
    shorter = RelearningCurve((0, 1), (40.0, 90.0), (0.5, 0.9), (3.0, 2.0))  # it diverged
    figure = relearning_figure({"original": CURVE, "retrained": CURVE, "_ac$": shorter}, measure)
    (axes,) = figure.axes
    assert axes.get_ylabel() == MEASURES[measure]
    values = [[*getattr(curve, measure)] for curve in (CURVE, CURVE, shorter)]
    assert [list(line.get_ydata()) for line in axes.lines] == values
    assert [list(line.get_xdata()) for line in axes.lines] == [[0, 1, 2], [0, 1, 2], [0, 1]]
    assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == ["original", "retrained", r"_ac\$"]


def test_a_measure_is_drawn_if_a_model_has_it() -> None:
    no_classes = replace(CURVE, accuracy=())
    (card,) = relearning([model("ac", no_classes), model("retrained", no_classes), model("original", None)])
    assert [drawing.kind for drawing in card.drawings] == ["auc", "loss"]
    assert "ac: 0.50 before, 0.70 after; retrained: 0.50 before, 0.70 after." in card.drawings[0].description
    assert "original" not in card.drawings[0].description
    assert relearning([model("ac", None)]) == []


def test_of_many_models_each_is_drawn_beside_the_references() -> None:
    names = ["a", "b", "c", "original", "retrained", "retrained_2"]
    cards = relearning([model(name) for name in names])
    assert [card.name for card in cards] == ["a", "b", "c"]
    (axes,) = cards[1].drawings[0].draw().axes
    labels = {line.get_label() for line in axes.lines}
    assert labels == {"b", "original", "retrained", "retrained_2"}


def test_the_page_has_a_section_of_it_after_the_losses_if_it_was_measured(tmp_path: Path) -> None:
    losses = {"forget": torch.rand(12), "test": torch.rand(12)}
    audits = [replace(model(name), losses=losses) for name in ("ac", "retrained")]
    page = write_report(tmp_path / "with", audits).read_text()
    titles = re.findall(r"<h2>([^<]*)", page)
    assert titles[titles.index("Confidence and loss") + 1] == TITLE
    section = page.partition(f"<h2>{TITLE}")[2].partition("</section>")[0]
    assert section.count("<svg") == 3
    assert "faster than the retrained model's" in " ".join(section.split())
    without = [replace(audit, retain_relearning=None) for audit in audits]
    assert TITLE not in re.findall(r"<h2>([^<]*)", write_report(tmp_path / "without", without).read_text())
