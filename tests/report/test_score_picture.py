"""The picture of the first screen draws the scores that the verdict compares."""

from dataclasses import replace

import pytest
import torch

from unlearning_pl.audits import Audit
from unlearning_pl.audits.judge_model import judge_model
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.report.score_picture import attack_scores, before_and_after, draw_figures

SPLITS = {"retain": torch.linspace(0, 1, 30), "forget": torch.linspace(0, 1, 20), "test": torch.linspace(0, 1, 40)}


def model(name: str, attack: str, shift: float) -> Audit:
    evidence = Evidence({attack: (SPLITS["forget"] + shift, SPLITS["test"])})
    probabilities = {split: values.clone() for split, values in SPLITS.items()}
    audit = Audit(name, {}, dict(SPLITS), torch.zeros(0, 0), evidence=evidence, probabilities=probabilities)
    return replace(audit, verdict=judge_model(evidence))


@pytest.mark.parametrize(("attack", "retain"), [("mean", True), ("pair", True), ("confidence", True), ("set", False)])
def test_scores_are_those_of_the_headline_attack(attack: str, retain: bool) -> None:
    scores = attack_scores(model("ac", attack, 0.25), attack)
    torch.testing.assert_close(scores["forget"], SPLITS["forget"] + 0.25)
    torch.testing.assert_close(scores["test"], SPLITS["test"])
    assert ("retain" in scores) == retain
    if attack == "confidence":
        torch.testing.assert_close(scores["retain"][1:-1].sigmoid().float(), SPLITS["retain"][1:-1])
        assert scores["retain"].isfinite().all()
    assert attack_scores(Audit("ac", {}, dict(SPLITS), torch.zeros(0, 0)), attack).keys() == SPLITS.keys()


def test_before_is_above_after_on_the_same_axes() -> None:
    audits = [model("ac", "set", 0.0), model("original", "set", 0.5)]
    drawing = before_and_after(audits, "ac")
    assert drawing is not None
    assert "trained on them" in drawing.title  # why there are no retain images
    before, after = drawing.draw().axes
    assert (before.get_title(loc="left"), after.get_title(loc="left")) == ("Before: the original", "After: ac")
    assert before.get_xlim() == after.get_xlim()
    assert before.get_ylim() == after.get_ylim()
    assert "Before: the original: forget mean 1.000 over 20" in drawing.description


def test_alone_it_is_drawn_alone() -> None:
    for audits in ([model("ac", "mean", 0.0)], [model("original", "mean", 0.0)]):
        drawing = before_and_after(audits, audits[0].name)
        assert drawing is not None
        assert [axes.get_title(loc="left") for axes in drawing.draw().axes] == [audits[0].name]


def test_equal_scores_and_empty_splits_are_drawn() -> None:
    flat = {"retain": torch.zeros(0), "forget": torch.full((12,), 0.5), "test": torch.full((12,), 0.5)}
    drawing = before_and_after([Audit("a$_{$b", {}, flat, torch.zeros(0, 0))], "a$_{$b")
    assert drawing is not None
    drawing.draw().draw_without_rendering()


def test_figures_of_a_run_leave_other_unlearned_models_out() -> None:
    audits = [
        model(name, "mean", 0.1) for name in ("original", "retrained", "retrained_2", "retrained_3", "coun", "ac")
    ]
    figures = draw_figures(audits[-1], audits)
    assert figures.keys() == {"scores", "roc"}
    (legend,) = figures["roc"].legends
    named = " ".join(text.get_text() for text in legend.get_texts())
    assert "ac" in named
    assert "retrained_3" in named
    assert "coun" not in named
