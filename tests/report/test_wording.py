"""What the report says in words."""

import pytest
import torch

from unlearning_pl.audits import Audit
from unlearning_pl.report.wording import (
    describe_alignment,
    describe_request,
    describe_utility,
)

SCORES = {"forget": torch.zeros(60), "test": torch.zeros(90)}


def model(name: str, **metrics: float) -> Audit:
    return Audit(name, metrics, SCORES, torch.zeros(0, 0))


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


def test_recognition_compares_with_both_references() -> None:
    original, retrained = (model(name, forget_alignment=v) for name, v in (("original", 0.9), ("retrained", 0.5)))
    assert describe_alignment(model("ac", forget_alignment=0.6), original, [retrained]) == (
        "Two views of a forgotten image have a mean similarity of 0.60; in the original it is 0.90, "
        "in the retrained model 0.50."
    )
    assert (
        describe_alignment(original, original, [retrained])
        == describe_alignment(model("ac"), original, [retrained])
        == ""
    )


def test_utility_compares_and_admits_being_slower() -> None:
    retrained = model("retrained", test_accuracy=90.0, seconds=30.0, speed_up=1.0)
    slow = model("ac", test_accuracy=88.5, seconds=60.0, speed_up=0.5)
    assert describe_utility(slow, [retrained]) == (
        "Test accuracy 88.5 % (-1.5 points against the retrained model). "
        "It took 60.0 s, 2.0 times slower than retraining."
    )
    assert describe_utility(retrained, [retrained]) == "Test accuracy 90.0 %. It took 30.0 s."
    assert describe_utility(model("ac")) == ""


def test_a_model_of_pairs_is_described_by_its_pairs() -> None:
    def pairs(name: str, alignment: float) -> Audit:
        return model(name, pair_membership_auc=0.6, forget_alignment=alignment, test_recall=7.0)

    assert describe_alignment(pairs("ac", 0.5), pairs("original", 0.6)).startswith(
        "A forgotten image and its caption have a mean similarity of 0.50"
    )
    expected = "Test recall 7.0 % (+0.0 points against the retrained model)."
    assert describe_utility(pairs("ac", 0.5), [pairs("retrained", 0.4)]) == expected


def test_several_retrained_models_are_compared_with_by_their_mean() -> None:
    original = model("original", forget_alignment=0.9)
    metrics = {"retrained": (0.5, 90.0), "retrained_2": (0.3, 80.0)}
    references = [model(name, forget_alignment=own, test_accuracy=right) for name, (own, right) in metrics.items()]
    after = model("ac", forget_alignment=0.6, test_accuracy=88.5)
    assert describe_alignment(after, original, references).endswith("in the retrained models on average 0.40.")
    assert "(+3.5 points against the retrained models on average)" in describe_utility(after, references)
    partial = [*references, model("retrained_3", forget_alignment=0.1)]  # no mean of others stands for all
    assert describe_utility(after, partial) == "Test accuracy 88.5 %."
    for one in references:
        assert "retrained" not in describe_alignment(one, original, references) + describe_utility(one, references)
