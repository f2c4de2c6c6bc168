"""Ranks, quantiles and their matching against scipy and NumPy."""

import numpy as np
import pytest
import scipy.stats
import torch
from functional.scores import normal, tied

from unlearning_pl.functional.quantile_matching import match_quantiles, mid_ranks, quantiles

seeds = pytest.mark.parametrize("seed", range(10))


@seeds
def test_ranks_equal_scipy_with_ties(seed: int) -> None:
    values, sample = tied(seed), tied(seed + 100)
    expected = scipy.stats.percentileofscore(sample.numpy(), values.numpy(), kind="mean") / 100
    torch.testing.assert_close(mid_ranks(values, sample), torch.as_tensor(expected, dtype=torch.float32))


@seeds
def test_quantiles_equal_numpy(seed: int) -> None:
    sample, fractions = normal(seed + 1, seed=seed), torch.linspace(0, 1, 23)
    expected = np.quantile(sample.double().numpy(), fractions.double().numpy(), method="hazen")
    torch.testing.assert_close(quantiles(fractions, sample).double(), torch.as_tensor(expected), atol=2e-6, rtol=0)


@seeds
def test_a_distribution_is_matched_with_itself_by_the_identity(seed: int) -> None:
    sample = normal(20, seed=seed)
    torch.testing.assert_close(match_quantiles(sample, sample, sample.flip(0)), sample)


@seeds
def test_the_mean_distance_is_the_wasserstein_distance(seed: int) -> None:
    first, second = normal(50, seed=seed), 2 * normal(50, mean=0.3, seed=seed + 100)
    distance = (match_quantiles(first, first, second) - first).abs().mean()
    assert distance.item() == pytest.approx(scipy.stats.wasserstein_distance(first.numpy(), second.numpy()), abs=1e-5)


def test_values_beyond_the_sample_go_to_its_ends() -> None:
    matched = match_quantiles(torch.tensor([-9.0, 9.0]), torch.tensor([0.0, 1.0]), torch.tensor([5.0, 6.0, 7.0]))
    assert matched.tolist() == [5.0, 7.0]


def test_an_empty_sample_is_an_error() -> None:
    for sample, target in ((torch.zeros(0), torch.ones(1)), (torch.ones(1), torch.zeros(0))):
        with pytest.raises(ValueError, match="one number or more"):
            match_quantiles(torch.zeros(1), sample, target)
