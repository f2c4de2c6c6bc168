"""Membership attacks against scikit-learn, plain loops and closed forms."""

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import roc_auc_score, roc_curve
from torch import Tensor

from unlearning_pl.functional.attacks import (
    best_threshold,
    encoder_mi,
    encoder_score,
    equal_sizes,
    membership_auc,
    pair_similarities,
    tpr_at_fpr,
)

seeds = pytest.mark.parametrize("seed", range(25))


def normal(rows: int, mean: float = 0.0, seed: int = 0) -> Tensor:
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed)) + mean


def tied(seed: int, rows: int | None = None) -> Tensor:
    """Scores with few distinct values, so that ties are common."""
    generator = torch.Generator().manual_seed(seed)
    rows = rows or int(torch.randint(1, 13, (), generator=generator))
    return torch.randint(7, (rows,), generator=generator) / 8


def labelled(members: Tensor, non_members: Tensor) -> tuple[list[int], list[float]]:
    return [1] * len(members) + [0] * len(non_members), [*members.tolist(), *non_members.tolist()]


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
def test_threshold_is_the_lowest_of_the_best_of_all(seed: int) -> None:
    members = tied(seed)
    non_members = tied(seed + 100, len(members))
    candidates = sorted({*members.tolist(), *non_members.tolist()})
    accuracies = [sum(m >= t for m in members.tolist()) + sum(n < t for n in non_members.tolist()) for t in candidates]
    assert best_threshold(members, non_members).item() == candidates[accuracies.index(max(accuracies))]


def test_threshold_refuses_unequal_sizes() -> None:
    with pytest.raises(ValueError, match="got 3 and 2"):
        best_threshold(torch.zeros(3), torch.zeros(2))


def test_encoder_mi_is_the_share_below_the_threshold() -> None:
    members, non_members = normal(500, mean=2.0), normal(500, seed=1)
    forget = normal(200, mean=1.0, seed=2)
    limit = best_threshold(members, non_members).item()
    expected = 100 * sum(score < limit for score in forget.tolist()) / 200
    assert encoder_mi(forget, members, non_members).item() == pytest.approx(expected, abs=1e-4)
    assert 20 < expected < 80


def test_encoder_mi_grows_as_forget_images_look_unseen() -> None:
    members, non_members = normal(300, mean=4.0), normal(300, seed=1)
    assert encoder_mi(normal(100, mean=4.0, seed=2), members, non_members) < 10
    assert encoder_mi(normal(100, seed=2), members, non_members) > 90


def test_a_constant_score_calls_every_image_a_member() -> None:
    same = torch.ones(5)
    assert encoder_mi(same, same, same) == 0
    assert membership_auc(same, same) == 0.5


@seeds
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.5, 0.99, 1.0])
def test_true_positive_rate_equals_scikit_learn(seed: int, rate: float) -> None:
    members, non_members = tied(seed), tied(seed + 100)
    false, true, _ = roc_curve(*labelled(members, non_members), drop_intermediate=False)
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


def test_empty_sets_are_refused() -> None:
    for attack in (
        membership_auc,
        best_threshold,
        lambda a, b: tpr_at_fpr(a, b, 0.1),
        lambda a, b: encoder_mi(b, a, a),
    ):
        with pytest.raises(ValueError, match="one score or more"):
            attack(torch.ones(2), torch.ones(0))


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
