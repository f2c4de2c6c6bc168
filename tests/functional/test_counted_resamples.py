"""Counted resamples against scikit-learn and plain loops over the same resamples."""

import pytest
import torch
from functional.scores import labelled, normal, tied
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from unlearning_pl.functional import counted_resamples
from unlearning_pl.functional.counted_resamples import resampled_roc, resampled_thresholds
from unlearning_pl.functional.roc import bootstrap_resamples, membership_auc, tpr_at_fpr
from unlearning_pl.functional.threshold_attack import best_threshold

RATES = [0.0, 0.1, 0.29, 0.9]
seeds = pytest.mark.parametrize("seed", range(20))


def plain_threshold(members: list[float], non_members: list[float]) -> float:
    """The lowest of the observed scores with the largest accuracy."""
    right = {t: sum(m >= t for m in members) + sum(o < t for o in non_members) for t in [*members, *non_members]}
    return min(t for t, count in right.items() if count == max(right.values()))


@seeds
def test_auc_and_rates_of_each_resample_equal_scikit_learn_with_ties(seed: int) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    aucs, rates = resampled_roc(members, non_members, RATES, draws=5, seed=seed)
    for draws in bootstrap_resamples(members, non_members, 5, seed):
        for number, pair in enumerate(zip(*draws, strict=True)):
            assert aucs[number].item() == pytest.approx(roc_auc_score(*labelled(*pair)), abs=1e-6)
            false, true, _ = roc_curve(*labelled(*pair), drop_intermediate=False)
            for rate, found in zip(RATES, rates[:, number].tolist(), strict=True):
                expected = max(t for f, t in zip(false, true, strict=True) if f <= rate + 1e-9)
                assert found == pytest.approx(expected, abs=1e-6)


@seeds
def test_threshold_of_each_resample_equals_the_loop_with_ties(seed: int) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    size = min(len(members), len(non_members))
    drawn = next(bootstrap_resamples(members, non_members, 9, seed, size))
    expected = [plain_threshold(m.tolist(), o.tolist()) for m, o in zip(*drawn, strict=True)]
    assert resampled_thresholds(members, non_members, 9, seed).tolist() == expected


@pytest.mark.parametrize(("members", "non_members", "count"), [(3000, 700, 700), (200, 30_000, 100)])
def test_many_images_in_several_chunks_give_the_plain_results_bit_for_bit(
    members: int, non_members: int, count: int
) -> None:
    sets = normal(members, mean=0.5), normal(non_members, seed=1)
    drawn = [*bootstrap_resamples(*sets, count, seed=2)]
    assert len(drawn) > 1
    aucs, rates = resampled_roc(*sets, [0.01, 0.001], draws=count, seed=2)
    assert torch.equal(aucs, torch.cat([membership_auc(*pair) for pair in drawn]))
    for rate, found in zip([0.01, 0.001], rates, strict=True):
        assert torch.equal(found, torch.cat([tpr_at_fpr(*pair, rate) for pair in drawn]))
    cut = bootstrap_resamples(*sets, 90, seed=3, size=min(members, non_members))
    assert torch.equal(resampled_thresholds(*sets, 90, 3), torch.cat([best_threshold(*pair) for pair in cut]))


def test_sets_of_no_score_and_other_rates_are_refused() -> None:
    one: Tensor = torch.ones(1)
    for sets in ((one[:0], one), (one, one[:0])):
        with pytest.raises(ValueError, match="one score or more"):
            resampled_roc(*sets)
        with pytest.raises(ValueError, match="one score or more"):
            resampled_thresholds(*sets, draws=3)
    with pytest.raises(ValueError, match=r"rates in \[0, 1\), got \[1\.0\]"):
        resampled_roc(one, one, [1.0])


def test_memory_is_bounded_where_few_of_many_scores_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes, count = list[int](), counted_resamples._count_below

    def counted(places: Tensor, scores: int) -> Tensor:
        sizes.append(len(places) * scores)
        return count(places, scores)

    sets = normal(5, mean=0.5), normal(2000, seed=1)
    whole = resampled_thresholds(*sets, draws=50)
    monkeypatch.setattr(counted_resamples, "_COUNTERS", 10_000)
    monkeypatch.setattr(counted_resamples, "_count_below", counted)
    assert torch.equal(resampled_thresholds(*sets, draws=50), whole)
    assert max(sizes) <= 10_000
