"""A verdict in words: every reason has a sentence, and no positive word follows from the absence of a difference."""

from dataclasses import replace

import pytest
import torch

from unlearning_pl.audits import Audit
from unlearning_pl.audits.verdict import REASONS, Verdict
from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict, label

DIFFERENCE = AucDifference(auc=0.62, reference=0.5, image_error=0.03, floor=0.02, references=3)
VERDICT = Verdict(
    kind="remembers",
    reason="more",
    attack="mean",
    difference={"mean": DIFFERENCE},
    intervals={"mean": (0.04, 0.2)},
    floor=0.02,
    level=0.05,
    margin=0.05,
    detectable=0.58,
    needed=700,
    lost={"test_accuracy": (9.0, 7.0, 11.0), "test_knn": (1.0, 0.0, 2.0)},
    compared=3,
)
KINDS = {
    **dict.fromkeys(("constant", "utility"), "broken"),
    **dict.fromkeys(("no_reference", "no_original", "original", "wide", "utility_wide"), "cannot tell"),
    **dict.fromkeys(("no_utility", "one_utility"), "cannot tell"),
    **dict.fromkeys(("more_alone", "less_alone", "one_reference", "original_near"), "cannot tell"),
    "less": "over-forgets",
    "more": "remembers",
    "within": "equivalent",
}


def audit(name: str = "ac", **changes: object) -> Audit:
    return Audit(name, {}, {}, torch.zeros(0, 0), verdict=replace(VERDICT, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_sentence_of_its_kind(reason: str) -> None:
    judged = audit(kind=KINDS[reason], reason=reason)
    sentence = describe_verdict(judged)
    assert KINDS[reason].split("-")[0].rstrip("s") in sentence.lower()
    assert label(judged).removeprefix("still ") == {"equivalent": "equivalent to retraining"}.get(
        KINDS[reason], KINDS[reason]
    )
    positive = ("equivalent", "forgot ", "forgotten it", "like the retrained", "safe", "removed")
    assert reason == "within" or not any(word in sentence.lower() for word in positive)


def test_level_and_margin_are_not_rounded_away() -> None:
    sentence = describe_verdict(audit(kind="equivalent", reason="within", level=0.001, margin=0.004))
    assert "±0.004 of the AUC" in sentence
    assert "a level of 0.1 %" in sentence


def test_the_figure_comes_with_interval_floor_and_power() -> None:
    assert describe_attack(audit()) == (
        "By the similarity of two views of an image, an attacker tells forgotten from unseen images with AUC 0.62, "
        "retrained models with 0.50: a distance of 0.12 (difference +0.12, +0.04 to +0.20; retrained models differ by "
        "0.02 among themselves)."
    )
    assert "as far as the images alone can show" in describe_attack(audit(compared=1))
    assert "0.50 is chance" in describe_attack(audit(compared=0))
    assert "AUC of 0.58 or more in 80 of 100 cases" in describe_power(audit())
    assert "finds nothing reliably" in describe_power(audit(detectable=1.0))


def test_what_would_do_and_what_was_lost_are_named() -> None:
    assert "about 700 images to forget, with more unseen ones in proportion, would do" in describe_verdict(
        audit(kind="cannot tell", reason="original")
    )
    assert "lost 9.0 points of test accuracy" in describe_verdict(audit(kind="broken", reason="utility"))


def test_the_original_remembers_and_a_reference_has_no_verdict() -> None:
    assert label(audit("original")) == "remembers"
    assert describe_verdict(audit("original")).startswith("It remembers")
    assert label(audit("retrained"), is_reference=True) == "the reference"
    bare = Audit("ac", {}, {}, torch.zeros(0, 0))
    assert label(bare) == describe_verdict(bare) == describe_power(bare) == ""
    assert "not defined" in describe_attack(bare)


@pytest.mark.parametrize(("reason", "compared", "remembers"), [("less", 3, True), ("less_alone", 0, False)])
def test_an_attack_that_points_the_other_way_is_named(reason: str, compared: int, remembers: bool) -> None:
    intervals = {"mean": (-0.2, -0.04), "vector": (-0.1, 0.2), "set": (0.03, 0.2)}
    changes = {"kind": KINDS[reason], "reason": reason, "compared": compared, "intervals": intervals}
    sentence = describe_verdict(audit(**changes))
    other = sentence.rpartition(" By ")[2]
    assert other.startswith("a network trained on the set of similarities of an image's views, however, they are more")
    assert ("remembers" in other) == remembers
    assert "network" not in describe_verdict(audit(**changes | {"intervals": intervals | {"set": (-0.1, 0.2)}}))


def test_a_retrained_model_has_no_attack_that_is_not_defined() -> None:
    assert describe_attack(Audit("retrained_2", {}, {}, torch.zeros(0, 0))) == ""
