"""Tukey's HSD in blocks: a textbook example, an analysis of variance by hand, scipy's test, its error rate."""

import numpy as np
import pytest
import torch
from scipy import stats

from unlearning_pl.functional.blocked_tukey import blocked_tukey_hsd

# Montgomery, Design and Analysis of Experiments, the vascular graft experiment: percent of grafts without flicks at
# four extrusion pressures (columns) in six batches of resin (rows). There: mean square of the error 7.33 with 15
# degrees of freedom, means 92.82, 91.68, 88.92, 85.77.
GRAFTS = [
    [90.3, 92.5, 85.5, 82.5],
    [89.2, 89.5, 90.8, 89.5],
    [98.2, 90.6, 89.6, 85.6],
    [93.9, 94.7, 86.2, 87.4],
    [87.4, 87.0, 88.0, 78.9],
    [97.9, 95.8, 93.4, 90.7],
]


def anova(values: np.ndarray) -> tuple[float, int]:
    """Mean square and degrees of freedom of the error, as the rest of the total sum of squares."""
    blocks, treatments = values.shape
    correction = values.sum() ** 2 / values.size
    total = (values**2).sum() - correction
    between = (values.sum(0) ** 2).sum() / blocks - correction
    of_blocks = (values.sum(1) ** 2).sum() / treatments - correction
    freedom = (blocks - 1) * (treatments - 1)
    return (total - between - of_blocks) / freedom, freedom


def by_hand(values: np.ndarray, level: float) -> np.ndarray:
    error, freedom = anova(values)
    means = values.mean(0)
    studentised = np.abs(means[:, None] - means) / np.sqrt(error / len(values))
    return stats.studentized_range.sf(studentised, values.shape[1], freedom) < level


def test_the_textbook_example() -> None:
    error, freedom = anova(np.array(GRAFTS))
    assert (round(error, 2), freedom) == (7.33, 15)
    told = blocked_tukey_hsd(torch.tensor(GRAFTS))
    # 4.08 sqrt(7.33 / 6) = 4.51, with 4.08 of the table of the studentised range: 7.05 and 5.92 are above, 3.90 is not
    assert told.nonzero().tolist() == [[0, 3], [1, 3], [3, 0], [3, 1]]


@pytest.mark.parametrize(("blocks", "treatments", "level"), [(3, 4, 0.05), (2, 3, 0.05), (5, 6, 0.01), (3, 2, 0.05)])
def test_pairs_are_those_of_an_analysis_of_variance_by_hand(blocks: int, treatments: int, level: float) -> None:
    generator, pairs = np.random.default_rng(blocks), 0
    for _ in range(4):
        spread = generator.normal(0, 10, (blocks, 1)) + generator.normal(0, 6, treatments)
        values = spread + generator.normal(0, 1, (blocks, treatments))
        told = blocked_tukey_hsd(torch.from_numpy(values), level)
        assert told.tolist() == by_hand(values, level).tolist()
        pairs += int(told.sum())
    assert 0 < pairs < 4 * treatments * (treatments - 1)


def test_two_treatments_are_compared_by_the_paired_t_test() -> None:
    generator, found = np.random.default_rng(0), set()
    for _ in range(30):
        values = generator.normal(0, 1, (4, 2)) + generator.normal(0, 9, (4, 1)) + [0, 2]
        found.add(told := bool(blocked_tukey_hsd(torch.from_numpy(values))[0, 1]))
        assert told == (stats.ttest_rel(*values.T).pvalue < 0.05)
    assert found == {True, False}


def test_without_an_effect_of_blocks_only_the_degrees_of_freedom_differ_from_scipy() -> None:
    values = np.random.default_rng(3).normal([0, 1, 3], 1, (4, 3))
    values -= values.mean(1, keepdims=True)  # no block differs from another
    probability = stats.tukey_hsd(*values.T).pvalue
    theirs, ours = 3 * (4 - 1), (3 - 1) * (4 - 1)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        range_ = stats.studentized_range.isf(probability[one, other], 3, theirs) * np.sqrt(ours / theirs)
        mine = float(stats.studentized_range.sf(range_, 3, ours))
        for level in (mine * 0.98, mine * 1.02):
            assert bool(blocked_tukey_hsd(torch.from_numpy(values), level)[one, other]) == (mine < level)


def test_an_effect_of_blocks_changes_nothing() -> None:
    values = torch.tensor(GRAFTS)
    moved = values + torch.tensor([0.0, 50, -30, 1000, 7, -400])[:, None]
    assert blocked_tukey_hsd(moved).equal(blocked_tukey_hsd(values))


def test_equal_treatments_are_rarely_told_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = torch.randn(1000, 3, 6, generator=generator) + 5 * torch.randn(1000, 3, 1, generator=generator)
    share = sum(bool(blocked_tukey_hsd(values).any()) for values in draws) / len(draws)
    assert 0.03 < share < 0.07  # 0.05 and three standard errors


def test_equal_treatments_with_coarse_values_are_rarely_told_apart() -> None:
    """Accuracies on 15 images: two seeds often show the same difference by chance."""
    generator = torch.Generator().manual_seed(0)
    correct = torch.bernoulli(torch.full((800, 2, 2, 15), 0.5), generator=generator).mean(-1)
    assert sum(bool(blocked_tukey_hsd(values).any()) for values in correct) / len(correct) < 0.05


def test_values_without_spread() -> None:
    assert not blocked_tukey_hsd(torch.tensor([[1.0, 1.5], [2.0, 2.5]])).any()  # the same difference twice
    assert blocked_tukey_hsd(torch.tensor([[1.0, 1.5], [2.0, 2.501]])).any()
    # 1 and 3 of 60 images away, computed in float32: 16.666667938 - 15.000000954 and so on
    coarse = torch.tensor([[1.666666985, 5.000000954], [1.666666985, 4.999999999]], dtype=torch.float64)
    assert not blocked_tukey_hsd(coarse).any()
    assert not blocked_tukey_hsd(torch.full((3, 3), 98.1)).any()
    rounded = torch.tensor([[0.1 + 0.2, 0.3], [0.1 + 0.2, 0.3]], dtype=torch.float64)
    assert not blocked_tukey_hsd(rounded).any()
    assert not blocked_tukey_hsd(torch.tensor([[1.0, 9.0]])).any()  # one block
    assert blocked_tukey_hsd(torch.ones(3, 0)).shape == (0, 0)


@pytest.mark.parametrize("values", [torch.tensor([[1.0, float("nan")]] * 3), torch.ones(3)])
def test_other_values_are_refused(values: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Expected finite values"):
        blocked_tukey_hsd(values)
