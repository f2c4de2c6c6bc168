"""What the report says in words."""

from dataclasses import replace

import pytest
import torch
from sklearn.metrics import roc_auc_score

from unlearning_pl.audits import Audit
from unlearning_pl.report.wording import (
    chance_margin,
    describe_alignment,
    describe_attack,
    describe_request,
    describe_utility,
    label,
    verdict,
)

SCORES = {"forget": torch.zeros(60), "test": torch.zeros(90)}


def model(name: str, **metrics: float) -> Audit:
    return Audit(name, metrics, SCORES, torch.zeros(0, 0))


def test_chance_covers_95_of_100_audits_of_indistinguishable_images() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = [1] * 60 + [0] * 90
    draws = [roc_auc_score(labels, torch.rand(150, generator=generator).numpy()) for _ in range(400)]
    inside = sum(abs(draw - 0.5) <= chance_margin(60, 90) for draw in draws) / 400
    assert inside == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"fraction": 0.1, "seed": 3}, "1 of 10 training images, drawn at random (seed 3), was to be forgotten."),
        ({"classes": ["cat", "dog"]}, "1 of 10 training images, all of class cat, dog, was to be forgotten."),
        ({"where": "owner == 17"}, "1 of 10 training images, all with owner == 17, was to be forgotten."),
        (
            {"per_class": 1, "seed": 3},
            "1 of 10 training images, drawn at random from each class (seed 3), was to be forgotten.",
        ),
        ({"file": "ids.txt"}, "1 of 10 training images, named in the file ids.txt, was to be forgotten."),
        ({}, ""),
    ],
)
def test_what_was_asked_is_said(request_: dict[str, object], sentence: str) -> None:
    assert describe_request(request_, {"retain": 9, "forget": 1}) == sentence


def test_privacy_names_the_reference() -> None:
    sentence = describe_attack(model("ac", membership_auc=0.52), model("retrained", membership_auc=0.48))
    assert sentence == (
        "An attacker who sees only embeddings separates forgotten from unseen images with AUC 0.52 "
        "(0.50 = cannot tell; retrained reference 0.48)."
    )
    assert "not defined" in describe_attack(model("ac"))


@pytest.mark.parametrize(("auc", "says"), [(0.69, "still remembers"), (0.52, "within chance"), (0.3, "over-forgets")])
def test_verdict_in_both_directions(auc: float, says: str) -> None:
    assert says in verdict(model("ac", membership_auc=auc), model("retrained", membership_auc=0.48))


def test_verdict_without_a_reference_says_what_chance_gives() -> None:
    assert "0.50 ± 0.10" in verdict(model("ac", membership_auc=0.9), None)
    retrained = model("retrained", membership_auc=0.48)
    assert "By chance alone" in verdict(retrained, retrained)
    assert verdict(model("ac"), retrained) == ""


@pytest.mark.parametrize(
    ("name", "auc", "words"),
    [
        ("ac", 0.69, "still remembers"),
        ("original", 0.69, "remembers"),
        ("ac", 0.52, "like the retrained model"),
        ("ac", 0.3, "over-forgets"),
    ],
)
def test_the_label_says_the_verdict_in_short(name: str, auc: float, words: str) -> None:
    retrained = model("retrained", membership_auc=0.48)
    assert label(model(name, membership_auc=auc), retrained) == words
    assert label(retrained, retrained) == "the reference"
    assert label(model(name, membership_auc=auc), None) == label(model(name), retrained) == ""


@pytest.mark.parametrize(
    ("ends", "says"), [((0.45, 0.6), "contains 0.50"), ((0.52, 0.7), "above 0.50"), ((0.2, 0.4), "gives them away")]
)
def test_a_known_interval_takes_the_place_of_the_rule_of_thumb(ends: tuple[float, float], says: str) -> None:
    audit = replace(model("ac", membership_auc=sum(ends) / 2), intervals={"membership_auc": ends})
    assert says in verdict(audit, None)
    assert "±" not in verdict(audit, None)
    assert f"95 % interval {ends[0]:.2f} to {ends[1]:.2f}" in describe_attack(audit)
    reference = replace(audit, name="retrained")
    assert "gives them away" not in verdict(reference, reference)


def test_recognition_compares_with_both_references() -> None:
    original, retrained = (model(name, forget_alignment=v) for name, v in (("original", 0.9), ("retrained", 0.5)))
    assert describe_alignment(model("ac", forget_alignment=0.6), original, retrained) == (
        "Two views of a forgotten image have a mean similarity of 0.60; in the original it is 0.90, "
        "in the retrained model 0.50."
    )
    assert (
        describe_alignment(original, original, retrained) == describe_alignment(model("ac"), original, retrained) == ""
    )


def test_utility_compares_and_admits_being_slower() -> None:
    retrained = model("retrained", test_accuracy=90.0, seconds=30.0, speed_up=1.0)
    slow = model("ac", test_accuracy=88.5, seconds=60.0, speed_up=0.5)
    assert describe_utility(slow, retrained) == (
        "Test accuracy 88.5 % (-1.5 points against the retrained model). "
        "It took 60.0 s, 2.0 times slower than retraining."
    )
    assert describe_utility(retrained, retrained) == "Test accuracy 90.0 %. It took 30.0 s."
    assert describe_utility(model("ac")) == ""


def test_a_model_of_pairs_is_judged_by_its_pairs() -> None:
    def model(name: str, auc: float, alignment: float) -> Audit:
        metrics = {"membership_auc": 0.5, "pair_membership_auc": auc, "forget_alignment": alignment, "test_recall": 7.0}
        scores = {"forget": torch.zeros(500), "test": torch.zeros(500)}
        return Audit(
            name, metrics, scores, torch.zeros(0, 0), intervals={"pair_membership_auc": (auc - 0.02, auc + 0.02)}
        )

    original, retrained, ours = model("original", 0.8, 0.6), model("retrained", 0.5, 0.4), model("ac", 0.7, 0.5)
    assert label(ours, retrained) == "still remembers"
    assert label(original, retrained) == "remembers"
    assert "embeddings of images and captions" in describe_attack(ours, retrained)
    assert "AUC 0.70 (0.50 = cannot tell; retrained reference 0.50; 95 % interval 0.68 to 0.72)" in describe_attack(
        ours, retrained
    )
    assert describe_alignment(ours, original).startswith(
        "A forgotten image and its caption have a mean similarity of 0.50"
    )
    assert describe_utility(ours, retrained) == "Test recall 7.0 % (+0.0 points against the retrained model)."
    assert verdict(retrained, None) == "The interval contains 0.50: these images do not show a difference."
