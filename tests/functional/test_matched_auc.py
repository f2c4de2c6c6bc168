"""The weighted AUC is a sum over pairs, and its interval misses 0.5 no more often than it says."""

import pytest
import torch
from sklearn.metrics import roc_auc_score

from unlearning_pl.functional.auc_difference import auc_difference
from unlearning_pl.functional.matched_auc import matched_auc, matching_weights


def shares(classes: list[int], weights: list[float]) -> dict[int, float]:
    return {c: sum(w for k, w in zip(classes, weights, strict=True) if k == c) for c in {*classes}}


def test_weights_give_held_out_classes_the_shares_of_the_forget_set() -> None:
    forget, held_out = [0, 0, 0, 2, 2, 5, 9], [0, 2, 2, 2, 5, 5, 7]
    weights = matching_weights(torch.tensor(forget), torch.tensor(held_out)).tolist()
    found = shares(held_out, weights)  # nobody was held out of class 9
    assert found == pytest.approx({0: 3 / 6, 2: 2 / 6, 5: 1 / 6, 7: 0.0})
    assert matching_weights(torch.tensor([1]), torch.tensor([0, 2])).tolist() == [0, 0]


def test_is_the_sum_over_all_pairs() -> None:
    generator = torch.Generator().manual_seed(0)
    members = torch.randint(6, (40,), generator=generator).double()  # with ties
    others = torch.randint(6, (30,), generator=generator).double()
    weights = torch.rand(30, generator=generator)
    weights /= weights.sum()
    pairs = [
        float(w) * ((a > b).double() + (a == b).double() / 2).item() / len(members)
        for a in members
        for b, w in zip(others, weights, strict=True)
    ]
    labels, sizes = [1] * 40 + [0] * 30, [1.0] * 40 + weights.tolist()
    found = matched_auc(members, others, weights).auc
    assert found == pytest.approx(sum(pairs), abs=1e-7)
    assert found == pytest.approx(roc_auc_score(labels, torch.cat([members, others]), sample_weight=sizes), abs=1e-7)


def test_with_equal_weights_it_is_the_difference_without_references() -> None:
    members, others = torch.randn(20), torch.randn(50)
    one, other = matched_auc(members, others, torch.full((50,), 0.02)), auc_difference((members, others))
    assert one.auc == pytest.approx(other.auc)
    assert one.standard_error == pytest.approx(other.standard_error)


@pytest.mark.parametrize("spread", [0.0, 2.0])  # of the classes
def test_its_interval_misses_the_truth_as_often_as_it_says_or_less(spread: float) -> None:
    """Also where classes score differently, which an AUC without weights takes for membership."""
    generator = torch.Generator().manual_seed(1)
    forget = torch.tensor([0] * 60 + [1] * 20 + [2] * 10)
    held_out = torch.tensor([0] * 20 + [1] * 20 + [2] * 60)
    weights, missed, unweighted = matching_weights(forget, held_out), 0, 0
    for _ in range(1000):
        members, others = (
            torch.randn(len(classes), generator=generator) - spread * classes for classes in (forget, held_out)
        )
        low, high = matched_auc(members, others, weights).interval(0.1)
        missed += not low <= 0 <= high
        low, high = auc_difference((members, others)).interval(0.1)
        unweighted += not low <= 0 <= high
    assert missed / 1000 < 0.13  # three standard deviations above 0.1
    assert unweighted / 1000 > 0.9 or spread == 0


def test_nothing_to_compare_is_told() -> None:
    with pytest.raises(ValueError, match="Expected weights with the sum 1, got zeros alone"):
        matched_auc(torch.ones(3), torch.ones(2), torch.zeros(2))
    with pytest.raises(ValueError, match="one score or more"):
        matched_auc(torch.ones(3), torch.ones(0), torch.ones(0))
