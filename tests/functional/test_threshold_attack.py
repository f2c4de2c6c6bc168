"""Membership attacks against scikit-learn, plain loops and closed forms."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from functional.scores import normal, tied
from torch import Tensor

from unlearning_pl.functional.roc import bootstrap_resamples
from unlearning_pl.functional.threshold_attack import (
    best_threshold,
    binned_threshold,
    encoder_mi,
    encoder_mi_bagged,
    encoder_score,
    equal_sizes,
    pair_similarities,
)

seeds = pytest.mark.parametrize("seed", range(25))


@pytest.mark.parametrize("views", [2, 3, 10])
def test_encoder_score_equals_the_double_loop(views: int) -> None:
    embeddings = torch.randn(4, views, 6, generator=torch.Generator().manual_seed(views)) + 0.5
    for row, score in zip(embeddings, encoder_score(pair_similarities(embeddings)), strict=True):
        pairs = [F.cosine_similarity(row[i], row[j], dim=0) for i in range(views) for j in range(i)]
        torch.testing.assert_close(score, torch.stack(pairs).mean())


def test_encoder_score_is_safe_in_float32_for_nearly_equal_views() -> None:
    views = torch.randn(50, 1, 512) + 1e-4 * torch.randn(50, 10, 512)
    unit = F.normalize(views.double(), dim=2)
    exact = ((unit.sum(1).square().sum(1) - 10) / 90).float()
    torch.testing.assert_close(encoder_score(pair_similarities(views)), exact, atol=1e-6, rtol=0)


def test_encoder_score_of_equal_opposite_and_zero_views() -> None:
    one = torch.tensor([1.0, 0.0])
    views = torch.stack([torch.stack([one, 3 * one]), torch.stack([one, -one]), torch.zeros(2, 2)])
    assert encoder_score(pair_similarities(views)).tolist() == [1, -1, 0]


@pytest.mark.parametrize("shape", [(4, 1, 3), (4, 3)])
def test_encoder_score_needs_two_views(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="V >= 2"):
        pair_similarities(torch.zeros(shape))


def test_equal_sizes_cuts_the_larger_by_a_seeded_choice() -> None:
    larger, smaller = torch.arange(50.0), torch.arange(3.0)
    cut, kept = equal_sizes(larger, smaller, seed=1)
    assert kept is smaller
    assert len(set(cut.tolist())) == 3
    assert set(cut.tolist()) <= set(larger.tolist())
    assert cut.tolist() == equal_sizes(larger, smaller, seed=1)[0].tolist()
    assert cut.tolist() != equal_sizes(larger, smaller, seed=2)[0].tolist()
    assert cut.tolist() != [0, 1, 2]
    assert [len(s) for s in equal_sizes(smaller, larger)] == [3, 3]


def best_of(candidates: list[float], members: Tensor, non_members: Tensor) -> float:
    """The lowest candidate of the largest accuracy, by counting."""
    accuracies = [sum(m >= t for m in members.tolist()) + sum(n < t for n in non_members.tolist()) for t in candidates]
    return candidates[accuracies.index(max(accuracies))]


def squashed(rows: int, mean: float = 0.0, seed: int = 0) -> Tensor:
    """Scores in (0, 1), as cosines of an encoder behind a ReLU are."""
    return normal(rows, mean, seed).sigmoid()


@seeds
def test_threshold_is_the_lowest_of_the_best_of_all(seed: int) -> None:
    members = tied(seed)
    non_members = tied(seed + 100, len(members))
    candidates = sorted({*members.tolist(), *non_members.tolist()})
    assert best_threshold(members, non_members).item() == best_of(candidates, members, non_members)


@seeds
def test_binned_threshold_is_the_lowest_of_the_best_edges(seed: int) -> None:
    members = tied(seed)
    non_members = tied(seed + 100, len(members))
    # scores are eighths, so that they fall on edges of eight bins: a score on an edge is a member
    for bins, edges in ((8, [e / 8 for e in range(9)]), (500, np.linspace(0, 1, 501).astype(np.float32).tolist())):
        found = binned_threshold(members, non_members, bins)
        assert found.item() == best_of(edges, members, non_members)


def test_binned_threshold_of_many_scores_is_that_of_a_count_of_every_edge() -> None:
    members, non_members = squashed(300, mean=0.5), squashed(300, seed=1)
    edges = np.linspace(0, 1, 501).astype(np.float32).tolist()
    assert binned_threshold(members, non_members).item() == best_of(edges, members, non_members)


def test_scores_outside_the_bins_are_compared_like_all_others() -> None:
    members, non_members = torch.tensor([1.5, 0.5]), torch.tensor([-1.0, -0.5])
    assert binned_threshold(members, non_members) == 0
    assert binned_threshold(members, non_members, low=-1.0) == pytest.approx(-0.496)


def test_threshold_refuses_unequal_sizes() -> None:
    for threshold in (best_threshold, binned_threshold):
        with pytest.raises(ValueError, match="got 3 and 2"):
            threshold(torch.zeros(3), torch.zeros(2))


@pytest.mark.parametrize(("bins", "low", "high"), [(0, 0.0, 1.0), (5, 1.0, 1.0), (5, 1.0, 0.0)])
def test_bins_need_a_range(bins: int, low: float, high: float) -> None:
    with pytest.raises(ValueError, match="one bin or more"):
        binned_threshold(torch.zeros(2), torch.zeros(2), bins, low, high)


def test_rows_of_sets_have_a_threshold_each() -> None:
    members, non_members = torch.randint(9, (20, 7)) / 8, torch.randint(9, (20, 7)) / 8
    expected = [best_threshold(*pair).item() for pair in zip(members, non_members, strict=True)]
    assert best_threshold(members, non_members).tolist() == expected


def test_encoder_mi_is_the_share_below_the_threshold() -> None:
    members, non_members = squashed(500, mean=2.0), squashed(500, seed=1)
    forget = squashed(200, mean=1.0, seed=2)
    limit = binned_threshold(members, non_members).item()
    expected = 100 * sum(score < limit for score in forget.tolist()) / 200
    assert encoder_mi(forget, members, non_members).item() == pytest.approx(expected, abs=1e-4)
    assert 20 < expected < 80


def bagged_loop(forget: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> float:
    shares = [100 * sum(s < best_threshold(*pair).item() for s in forget.tolist()) / len(forget) for pair in pairs]
    return sum(shares) / len(shares)


@pytest.mark.parametrize(("members", "non_members"), [(30, 12), (12, 30), (9, 9)])
def test_bagged_encoder_mi_is_the_mean_over_draws(members: int, non_members: int) -> None:
    sets = squashed(members, mean=1.0), squashed(non_members, seed=1)
    forget, size = squashed(25, mean=0.5, seed=2), min(members, non_members)
    draws = [pair for rows in bootstrap_resamples(*sets, 40, seed=3, size=size) for pair in zip(*rows, strict=True)]
    assert {len(scores) for pair in draws for scores in pair} == {size}
    found = encoder_mi_bagged(forget, *sets, draws=40, seed=3)
    assert found.item() == pytest.approx(bagged_loop(forget, draws), abs=1e-4)
    assert torch.equal(found, encoder_mi_bagged(forget, *sets, draws=40, seed=3))


def test_bagged_encoder_mi_uses_every_member_and_strays_less() -> None:
    single, bagged = [], []
    for seed in range(40):
        forget, members, non_members = (normal(n, 0.3 * (n > 90), 3 * seed + n) for n in (60, 340, 90))
        forget, members, non_members = (0.6 + 0.1 * scores for scores in (forget, members, non_members))
        single.append(encoder_mi(forget, *equal_sizes(members, non_members, seed)))
        bagged.append(encoder_mi_bagged(forget, members, non_members))
    assert torch.stack(bagged).std() < 0.7 * torch.stack(single).std()
    assert torch.stack(bagged).mean().item() == pytest.approx(torch.stack(single).mean().item(), abs=15)


@pytest.mark.parametrize("attack", [encoder_mi, encoder_mi_bagged])
def test_encoder_mi_grows_as_forget_images_look_unseen(attack: Callable[..., Tensor]) -> None:
    members, non_members = squashed(300, mean=4.0), squashed(300, seed=1)
    assert attack(squashed(100, mean=4.0, seed=2), members, non_members) < 10
    assert attack(squashed(100, seed=2), members, non_members) > 90


def test_a_constant_score_calls_every_image_a_member() -> None:
    same = torch.ones(5)
    assert encoder_mi(same, same, same) == 0
    assert encoder_mi_bagged(same, same, same) == 0


def test_empty_sets_are_refused() -> None:
    for attack in (
        best_threshold,
        binned_threshold,
        lambda a, b: encoder_mi(b, a, a),
        lambda a, b: encoder_mi_bagged(a, b, a),
        lambda a, b: encoder_mi_bagged(a, a, b),
    ):
        with pytest.raises(ValueError, match="one score or more"):
            attack(torch.ones(2), torch.ones(0))
