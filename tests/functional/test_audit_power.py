"""The stated power is the one that simulated audits have."""

import math

import numpy as np
import pytest
from scipy import stats

from unlearning_pl.functional.audit_power import auc_variance, detectable_auc, images_needed

SIZES = [10, 30, 100, 1000, 5000]


def simulated_aucs(auc: float, members: int, others: int, rounds: int) -> np.ndarray:
    """AUCs of audits of normal scores, by ranks of one sort each."""
    generator = np.random.default_rng(0)
    shift = math.sqrt(2) * stats.norm.ppf(auc)
    found = []
    for _ in range(rounds):
        ranked = np.sort(generator.normal(size=others))
        found.append(np.searchsorted(ranked, generator.normal(shift, size=members)).mean() / others)
    return np.array(found)


def simulated_detectable_auc(members: int, others: int, level: float, rounds: int) -> float:
    """The AUC that the test of Mann and Whitney finds in 80 % of simulated audits, by bisection."""
    error = math.sqrt((members + others + 1) / (12 * members * others))
    limit = 0.5 + stats.norm.ppf(1 - level / 2) * error
    low, high = 0.5, 1 - 1e-6
    for _ in range(10):
        middle = (low + high) / 2
        power = (simulated_aucs(middle, members, others, rounds) > limit).mean()
        low, high = (middle, high) if power < 0.8 else (low, middle)
    return (low + high) / 2


@pytest.mark.parametrize("auc", [0.5, 0.6, 0.9])
def test_the_variance_is_that_of_simulated_audits(auc: float) -> None:
    assert auc_variance(auc, 40, 70) == pytest.approx(simulated_aucs(auc, 40, 70, 4000).var(), rel=0.1)


@pytest.mark.parametrize(("members", "others"), [(10, 100), (10, 1000), (30, 100), (30, 1000), (100, 1000)])
def test_the_detectable_auc_is_that_of_simulated_audits(members: int, others: int) -> None:
    tolerance = 0.05 if members < 30 else 0.02
    found = simulated_detectable_auc(members, others, 0.05, 500)
    assert detectable_auc(members, others, 0.05) == pytest.approx(found, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("others", [100, 1000, 10_000])
@pytest.mark.parametrize("members", SIZES)
@pytest.mark.parametrize("level", [0.05, 0.05 / 3])
def test_it_is_over_the_whole_range_by_2000_simulations(members: int, others: int, level: float) -> None:
    tolerance = 0.05 if members < 30 else 0.02
    found = simulated_detectable_auc(members, others, level, 2000)
    assert detectable_auc(members, others, level) == pytest.approx(found, abs=tolerance)


def test_more_images_detect_less_and_correlation_helps() -> None:
    found = [detectable_auc(members, 500, 0.05) for members in SIZES]
    assert found == sorted(found, reverse=True)
    assert detectable_auc(50, 100, 0.05, inflation=0.3) < detectable_auc(50, 100, 0.05) < detectable_auc(50, 100, 0.001)
    assert detectable_auc(1, 2, 0.05) == 1.0
    assert detectable_auc(100, 100, 0.05, reference=0.6) > 0.6


def test_the_number_of_images_is_the_first_that_does() -> None:
    needed = images_needed(0.07, ratio=2.0, level=0.05)
    assert detectable_auc(needed, 2 * needed, 0.05) <= 0.57 < detectable_auc(needed - 1, 2 * (needed - 1), 0.05)
    assert images_needed(1e-9, 1.0, 0.05) == 10**7
