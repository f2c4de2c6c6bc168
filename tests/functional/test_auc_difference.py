"""The distance of two AUCs on the same images has the error that repeated sampling shows."""

import math

import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score
from torch import Tensor

from unlearning_pl.functional.auc_difference import auc_components, auc_difference


def drawn(
    generator: torch.Generator, members: int, others: int, models: int, shared: float
) -> list[tuple[Tensor, Tensor]]:
    """Scores of the same images by several models, which correlate by ``shared``."""
    base = torch.randn(members + others, generator=generator)
    scores = [
        math.sqrt(shared) * base + math.sqrt(1 - shared) * torch.randn(members + others, generator=generator)
        for _ in range(models)
    ]
    return [(values[:members], values[members:]) for values in scores]


def test_components_are_those_of_plain_loops_and_their_mean_is_the_auc() -> None:
    members, others = torch.tensor([0.3, 0.9, 0.5, 0.5]), torch.tensor([0.5, 0.1, 0.7])
    below, above = auc_components(members, others)
    wins = [[1.0 if m > o else 0.5 if m == o else 0.0 for o in others] for m in members]
    assert below.tolist() == pytest.approx([sum(row) / 3 for row in wins])
    assert above.tolist() == pytest.approx([sum(row[o] for row in wins) / 4 for o in range(3)])
    expected = roc_auc_score([1] * 4 + [0] * 3, torch.cat([members, others]))
    assert below.mean().item() == pytest.approx(above.mean().item()) == pytest.approx(expected)


def test_the_error_is_that_of_repeated_sampling() -> None:
    """400 samples of correlated scores: the spread of the difference against the mean of its standard error."""
    generator = torch.Generator().manual_seed(0)
    found = [
        auc_difference(model, [one, two]) for model, one, two in (drawn(generator, 60, 90, 3, 0.8) for _ in range(400))
    ]
    spread = torch.tensor([one.value for one in found]).std().item()
    error = sum(one.standard_error for one in found) / len(found)
    assert error == pytest.approx(spread, rel=0.12)
    alone = torch.tensor([auc_difference(pair).value for pair in drawn(generator, 60, 90, 400, 0.0)]).std().item()
    assert spread < 0.8 * alone  # correlation helps
    assert auc_difference(drawn(generator, 60, 90, 1, 0)[0]).standard_error == pytest.approx(alone, rel=0.12)


@pytest.mark.parametrize(("members", "references"), [(3, 1), (10, 1), (10, 3), (30, 1), (100, 3)])
def test_equal_models_are_called_different_no_more_often_than_stated(members: int, references: int) -> None:
    generator, level, rounds = torch.Generator().manual_seed(members), 0.05, 600
    wrong = 0
    for _ in range(rounds):
        model, *others = drawn(generator, members, 200, references + 1, 0.5)
        low, high = auc_difference(model, others).interval(level)
        wrong += not low <= 0 <= high
    # an upper bound that a test with exactly this level passes in 999 of 1000 cases
    assert wrong <= stats.binom.ppf(0.999, rounds, level)


@pytest.mark.parametrize("references", [2, 3, 4])
def test_trainings_that_move_all_members_count_from_two_references_on(references: int) -> None:
    """A request of a class: each training shifts all its images by an amount of its own."""
    generator, rounds, wrong = torch.Generator().manual_seed(1), 300, 0
    for _ in range(rounds):
        shifted = [
            (members + 0.5 * torch.randn((), generator=generator), others)
            for members, others in drawn(generator, 200, 300, 5, 0.5)
        ]
        low, high = auc_difference(shifted[0], shifted[1 : references + 1], drawn=False).interval(0.05)
        wrong += not low <= 0 <= high
    assert wrong <= stats.binom.ppf(0.999, rounds, 0.05)


def test_the_floor_is_the_mean_distance_among_the_references() -> None:
    base = torch.linspace(0, 1, 50)
    references = [(base + shift, base) for shift in (0.0, 0.1, 0.2)]
    aucs = [auc_components(*pair)[0].mean().item() for pair in references]
    expected = sum(abs(aucs[k] - (sum(aucs) - aucs[k]) / 2) for k in range(3)) / 3
    assert auc_difference((base, base), references).floor == pytest.approx(expected)
    assert auc_difference((base, base), references[:1]).floor is None
    assert auc_difference((base, base)).reference == 0.5


def test_a_copy_of_the_reference_has_no_distance_and_no_error() -> None:
    pair = torch.rand(20), torch.rand(30)
    difference = auc_difference(pair, [pair])
    assert difference.value == 0
    low, high = difference.interval(0.01)
    assert low <= 0 <= high


def test_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="scores of the same 3 and 2 images"):
        auc_difference((torch.zeros(3), torch.zeros(2)), [(torch.zeros(2), torch.zeros(2))])
    with pytest.raises(ValueError, match="one score or more"):
        auc_difference((torch.zeros(0), torch.zeros(2)))
