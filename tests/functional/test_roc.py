"""Separation of two sets of scores against scikit-learn, scipy, closed forms and repeated chance."""

from functools import partial

import pytest
import scipy.stats
import torch
from functional.scores import labelled, normal, tied
from sklearn.metrics import auc as area
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as reference_curve

from unlearning_pl.functional.roc import bootstrap_interval, bootstrap_resamples, membership_auc, roc_curve, tpr_at_fpr

seeds = pytest.mark.parametrize("seed", range(25))


@seeds
def test_auc_equals_scikit_learn_with_ties(seed: int) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    expected = roc_auc_score(*labelled(members, non_members))
    assert membership_auc(members, non_members).item() == pytest.approx(expected, abs=1e-6)


def test_auc_direction_members_above_non_members_is_one() -> None:
    low, high = torch.tensor([0.1, 0.2]), torch.tensor([0.8, 0.9])
    assert membership_auc(high, low) == 1
    assert membership_auc(low, high) == 0
    assert membership_auc(low, low) == 0.5


def test_auc_of_two_normal_distributions_is_the_closed_form() -> None:
    # AUC = Phi(d / sqrt 2), and Phi(1 / sqrt 2) = 0.7602
    auc = membership_auc(normal(20_000, mean=1.0), normal(20_000, seed=1))
    assert auc.item() == pytest.approx(0.7602, abs=0.01)


@seeds
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.99, 1.0])
def test_true_positive_rate_equals_scikit_learn(seed: int, rate: float) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    false, true, _ = reference_curve(*labelled(members, non_members), drop_intermediate=False)
    expected = max(t for f, t in zip(false, true, strict=True) if f <= rate + 1e-9)
    assert tpr_at_fpr(members, non_members, rate).item() == pytest.approx(expected, abs=1e-6)


def test_true_positive_rate_is_not_lost_to_rounding() -> None:
    # 0.29 * 100 is 28.999999999999996, but 29 of 100 false alarms are allowed
    non_members = torch.arange(100.0)
    assert tpr_at_fpr(torch.tensor([70.5]), non_members, 0.29) == 1
    assert tpr_at_fpr(torch.tensor([69.5]), non_members, 0.29) == 0


@pytest.mark.parametrize("rate", [-0.1, 1.5])
def test_a_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match=r"Give 0\.01 for one percent"):
        tpr_at_fpr(torch.ones(1), torch.ones(1), rate)


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
def test_rows_of_sets_are_judged_one_by_one(rate: float) -> None:
    members, non_members = torch.randint(9, (6, 5)) / 8, torch.randint(9, (6, 11)) / 8
    pairs = list(zip(members, non_members, strict=True))
    assert membership_auc(members, non_members).tolist() == [membership_auc(*pair).item() for pair in pairs]
    columns = members.T.contiguous().T  # rows that do not lie side by side in memory
    assert membership_auc(columns, non_members).tolist() == membership_auc(members, non_members).tolist()
    expected = [tpr_at_fpr(*pair, rate).item() for pair in pairs]
    assert tpr_at_fpr(members, non_members, rate).tolist() == expected


@seeds
def test_curve_equals_scikit_learn_with_ties(seed: int) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    false, true, _ = reference_curve(*labelled(members, non_members), drop_intermediate=False)
    ours = roc_curve(members, non_members)
    torch.testing.assert_close(ours[0], torch.tensor(false).float())
    torch.testing.assert_close(ours[1], torch.tensor(true).float())
    assert area(*ours) == pytest.approx(membership_auc(members, non_members).item(), abs=1e-6)
    for rates in ours:
        assert rates[0] == 0
        assert rates[-1] == 1
        assert (rates.diff() >= 0).all()


def test_empty_sets_are_refused() -> None:
    for statistic in (membership_auc, partial(tpr_at_fpr, rate=0.1), roc_curve, partial(bootstrap_interval, abs)):
        with pytest.raises(ValueError, match="one score or more"):
            statistic(torch.ones(2), torch.ones(0))


def test_interval_is_that_of_scipy() -> None:
    # both resample independently with replacement and take percentiles; only the random draws differ
    members, non_members = normal(60, mean=0.7), normal(90, seed=1)

    def statistic(x: list[float], y: list[float]) -> float:
        return membership_auc(torch.tensor(x), torch.tensor(y)).item()

    reference = scipy.stats.bootstrap(
        (members.numpy(), non_members.numpy()), statistic, n_resamples=2000, vectorized=False, method="percentile"
    ).confidence_interval
    found = bootstrap_interval(membership_auc, members, non_members, draws=2000)
    assert found == pytest.approx((reference.low, reference.high), abs=0.015)


def test_interval_holds_what_is_true_as_often_as_it_says() -> None:
    held = 0
    for seed in range(200):
        pair = normal(40, seed=2 * seed), normal(50, seed=2 * seed + 1)
        low, high = bootstrap_interval(membership_auc, *pair, draws=300, seed=seed)
        held += low <= 0.5 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_interval_is_a_function_of_its_seed_and_leaves_the_global_one_alone() -> None:
    pair, before = (normal(30), normal(40, seed=1)), torch.get_rng_state()
    first = bootstrap_interval(membership_auc, *pair, draws=50)
    assert first == bootstrap_interval(membership_auc, *pair, draws=50)
    assert first != bootstrap_interval(membership_auc, *pair, draws=50, seed=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_interval_widens_with_its_level_and_narrows_with_more_images() -> None:
    few, many = (normal(30), normal(30, seed=1)), (normal(1000), normal(1000, seed=1))

    def width(pair: tuple[torch.Tensor, torch.Tensor], level: float) -> float:
        low, high = bootstrap_interval(membership_auc, *pair, draws=300, level=level)
        return high - low

    assert width(few, 0.5) < width(few, 0.95)
    # the deviation of an AUC falls with the root of the number of images
    assert width(few, 0.95) / width(many, 0.95) == pytest.approx((1000 / 30) ** 0.5, rel=0.3)


def test_large_sets_are_drawn_in_portions() -> None:
    portions = list(bootstrap_resamples(torch.arange(60_000.0), torch.arange(50_000.0), draws=40, seed=0))
    assert len(portions) > 1
    assert sum(len(members) for members, _ in portions) == 40
    assert portions[0][0].shape[1] == 60_000
    assert portions[0][1].max() < 50_000
    # a share 1 - 1/e of a set is drawn at least once
    assert len(portions[0][0][0].unique()) / 60_000 == pytest.approx(0.632, abs=0.01)


@pytest.mark.parametrize(("draws", "level"), [(0, 0.95), (10, 0.0), (10, 1.0), (10, 95)])
def test_an_interval_needs_draws_and_a_level(draws: int, level: float) -> None:
    with pytest.raises(ValueError, match="Expected"):
        bootstrap_interval(membership_auc, torch.ones(3), torch.ones(3), draws=draws, level=level)
