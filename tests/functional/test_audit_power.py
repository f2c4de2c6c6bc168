"""The stated power is the one that simulated audits have."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from unlearning_pl.functional.auc_difference import AucDifference, auc_difference
from unlearning_pl.functional.audit_power import auc_variance, detectable_auc, images_needed

SIZES = [10, 30, 100, 1000, 5000]


def stated(members: int, others: int, level: float, **changes: float) -> float:
    """The detectable AUC of a test against 0.5."""
    error = math.sqrt((members + others + 1) / (12 * members * others))
    return detectable_auc(AucDifference(0.5, 0.5, **{"image_error": error, **changes}), members, others, level)


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
    assert stated(members, others, 0.05) == pytest.approx(found, abs=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("others", [100, 1000, 10_000])
@pytest.mark.parametrize("members", SIZES)
@pytest.mark.parametrize("level", [0.05, 0.05 / 3])
def test_it_is_over_the_whole_range_by_2000_simulations(members: int, others: int, level: float) -> None:
    tolerance = 0.05 if members < 30 else 0.02
    found = simulated_detectable_auc(members, others, level, 2000)
    assert stated(members, others, level) == pytest.approx(found, abs=tolerance)


@pytest.mark.parametrize(("members", "others", "references"), [(10, 200, 1), (10, 200, 3), (30, 100, 1), (100, 300, 3)])
def test_it_is_that_of_simulated_audits_with_references(members: int, others: int, references: int) -> None:
    """The stated AUC, drawn 400 times, is found in about 80 % of the audits."""
    generator, level = torch.Generator().manual_seed(members), 0.05 / 3

    def audit(shift: float) -> AucDifference:
        base = torch.randn(members + others, generator=generator)
        models = [base + torch.randn(len(base), generator=generator) for _ in range(references + 1)]
        models[0][:members] += shift
        pairs = [(scores[:members], scores[members:]) for scores in models]
        return auc_difference(pairs[0], pairs[1:])

    told = np.median([detectable_auc(audit(0.0), members, others, level) for _ in range(100)])
    powers = {}
    for auc in (told - 0.03 if members >= 30 else told - 0.05, told + 0.03 if members >= 30 else told + 0.05):
        shift = 2 * stats.norm.ppf(auc)  # two normal parts of variance 1 each in every score
        powers[auc] = np.mean([audit(shift).interval(level)[0] > 0 for _ in range(400)])
    low, high = powers.values()
    assert low < 0.85
    assert high > 0.75


def test_more_images_detect_less_and_correlation_helps() -> None:
    found = [stated(members, 500, 0.05) for members in SIZES]
    assert found == sorted(found, reverse=True)
    plain = stated(50, 100, 0.05)
    assert stated(50, 100, 0.05, image_error=0.02) < plain < stated(50, 100, 0.001)
    assert stated(50, 100, 0.05, training_error=0.1) > plain
    assert stated(50, 100, 0.05, freedom=2.0) > plain
    assert stated(1, 2, 0.05) == 1.0
    assert detectable_auc(AucDifference(0.6, 0.6, 0.02, references=2), 100, 100, 0.05) > 0.6
    assert detectable_auc(AucDifference(0.5, 0.5, math.inf), 1, 9, 0.05) == 1.0


def test_the_number_of_images_detects_the_distance() -> None:
    needed = images_needed(100, error=0.05, distance=0.04, level=0.05)
    error = 0.05 * math.sqrt(100 / needed)
    power = stats.norm.sf(stats.norm.ppf(0.975) - 0.04 / error)
    assert needed > 100
    assert power == pytest.approx(0.8, abs=0.005)
    assert images_needed(100, error=0.001, distance=0.4, level=0.05) == 101
    assert images_needed(10, error=0.5, distance=1e-9, level=0.05) == 10**7


def test_a_copy_of_the_reference_has_the_power_of_independent_scores() -> None:
    scores = torch.randn(2, 100, generator=torch.Generator().manual_seed(0))
    copy = auc_difference((scores[0], scores[1]), [(scores[0], scores[1])])
    assert copy.standard_error == 0
    error = math.sqrt(2 * auc_variance(copy.auc, 100, 100))
    two_trainings = AucDifference(copy.auc, copy.auc, error, freedom=copy.freedom, references=1)
    assert detectable_auc(copy, 100, 100, 0.05) == detectable_auc(two_trainings, 100, 100, 0.05) > copy.auc + 0.1
