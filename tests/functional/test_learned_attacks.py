"""Learned attackers on data whose signal is known, and the SVC against scikit-learn and a known boundary."""

from itertools import combinations

import pytest
import torch
from functional.scores import normal
from sklearn.svm import SVC
from torch import Tensor

from unlearning_pl.functional.confidence import confidence
from unlearning_pl.functional.learned_attacks import SetNetwork, cross_fitted_scores, svc_attack, train_attacker
from unlearning_pl.functional.roc import membership_auc
from unlearning_pl.functional.threshold_attack import encoder_score, equal_sizes, pair_similarities

kinds = pytest.mark.parametrize("kind", ["vector", "set"])


def spread(rows: int, deviation: float, seed: int) -> Tensor:
    """Similarities of 45 pairs whose mean tells nothing, around a level of each image's own."""
    generator = torch.Generator().manual_seed(seed)
    level = 0.6 + 0.1 * torch.randn(rows, 1, generator=generator)
    return level + deviation * torch.randn(rows, 45, generator=generator)


@kinds
def test_attackers_learn_what_the_mean_does_not_show(kind: str) -> None:
    members, non_members, others = spread(300, 0.12, 0), spread(250, 0.08, 1), spread(200, 0.12, 2)
    assert membership_auc(encoder_score(members), encoder_score(non_members)).item() == pytest.approx(0.5, abs=0.08)
    found = cross_fitted_scores(kind, members, non_members, others)
    assert [scores.shape for scores in found] == [(300,), (250,), (200,)]
    assert membership_auc(found[0], found[1]) > 0.8
    assert membership_auc(found[2], found[1]) > 0.8


@kinds
def test_attackers_find_nothing_where_there_is_nothing(kind: str) -> None:
    # each image is judged by the attacker that did not see it, so that what is learned by heart is worth nothing
    members, non_members, others = (spread(200, 0.1, seed) for seed in (3, 4, 5))
    found = cross_fitted_scores(kind, members, non_members, others)
    error = (1 / (6 * 200)) ** 0.5
    assert membership_auc(found[0], found[1]).item() == pytest.approx(0.5, abs=3.5 * error)
    assert membership_auc(found[2], found[1]).item() == pytest.approx(0.5, abs=3.5 * error)


def test_an_attacker_would_win_on_what_it_was_trained_on() -> None:
    members, non_members = spread(60, 0.1, 6), spread(60, 0.1, 7)
    attacker = train_attacker("vector", members, non_members)
    assert membership_auc(attacker(members), attacker(non_members)) > 0.8


@kinds
def test_each_half_is_judged_by_the_attacker_of_the_other(kind: str) -> None:
    # of two images the halves are one image each, and the other one alone decides
    low, high = torch.full((1, 3), 0.1), torch.full((1, 3), 0.9)
    members, non_members, others = cross_fitted_scores(kind, torch.cat([high, high]), torch.cat([low, low]), low)
    assert (members > 0).all()
    assert (non_members < 0).all()
    assert others.item() < 0
    both = cross_fitted_scores(kind, torch.cat([high, low]), torch.cat([low, high]), low)
    halves = torch.randperm(2, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([high, low]), torch.cat([low, high])
    attackers = [train_attacker(kind, rows[0][half], rows[1][half]) for half in halves.split(1)]
    for scores, given in zip(both[:2], rows, strict=True):
        for half, other in zip(halves, reversed(attackers), strict=True):
            assert scores[half].item() == pytest.approx(other(given[half][None]).item(), abs=1e-5)
    assert both[2].item() == pytest.approx(attackers[0](low).item(), abs=1e-5)


@kinds
def test_images_that_nobody_was_trained_on_are_judged_as_non_members_are(kind: str) -> None:
    """Were they judged by the mean of two attackers, their scores would be less spread, and the AUC less steady."""
    aucs = []
    for seed in range(10):
        members, non_members, others = (spread(200, 0.1, 100 * seed + part) for part in range(3))
        _, unseen, judged = cross_fitted_scores(kind, members, non_members, others)
        aucs.append(membership_auc(judged, unseen))
    assert abs(torch.stack(aucs).mean() - 0.5) < 0.03
    assert torch.stack(aucs).std() < 1.7 * (401 / (12 * 200 * 200)) ** 0.5


@kinds
def test_the_order_of_pairs_says_nothing(kind: str) -> None:
    attacker = train_attacker(kind, spread(40, 0.12, 8), spread(40, 0.08, 9))
    rows, order = spread(30, 0.1, 10), torch.randperm(45)
    torch.testing.assert_close(attacker(rows[:, order]), attacker(rows), atol=1e-5, rtol=1e-4)


def test_the_set_network_is_the_mean_over_its_parts() -> None:
    network, rows = SetNetwork(4), torch.rand(3, 5)
    for row, score in zip(rows, network(rows), strict=True):
        parts = [network.each(number[None]) for number in row]
        torch.testing.assert_close(score, network.together(sum(parts) / 5))


@kinds
def test_shifted_and_scaled_similarities_are_judged_alike(kind: str) -> None:
    sets = spread(60, 0.12, 11), spread(60, 0.08, 12), spread(20, 0.1, 13)
    found = cross_fitted_scores(kind, *sets)
    moved = cross_fitted_scores(kind, *(0.01 * rows + 0.9 for rows in sets))
    assert torch.corrcoef(torch.stack([found[2], moved[2]]))[0, 1] > 0.99


@kinds
def test_training_is_a_function_of_its_seed_and_leaves_the_global_one_alone(kind: str) -> None:
    sets = spread(30, 0.12, 14), spread(50, 0.08, 15)
    before = torch.get_rng_state()
    first = train_attacker(kind, *sets)(sets[0])
    torch.rand(3)
    assert torch.equal(first, train_attacker(kind, *sets)(sets[0]))
    assert not torch.equal(first, train_attacker(kind, *sets, seed=1)(sets[0]))
    torch.set_rng_state(before)
    train_attacker(kind, *sets)
    assert torch.equal(torch.get_rng_state(), before)


@kinds
def test_sets_of_unequal_size_are_cut(kind: str) -> None:
    members, non_members = spread(30, 0.12, 16), spread(90, 0.08, 17)
    cut = equal_sizes(members, non_members, seed=2)
    rows = spread(10, 0.1, 18)
    expected = train_attacker(kind, *cut, seed=2)(rows)
    assert torch.equal(train_attacker(kind, members, non_members, seed=2)(rows), expected)


@kinds
def test_attackers_learn_also_where_no_gradient_is_wanted(kind: str) -> None:
    with torch.inference_mode():
        sets = spread(30, 0.12, 19), spread(30, 0.08, 20)
        found = train_attacker(kind, *sets)(sets[0])
    torch.testing.assert_close(found, train_attacker(kind, *(rows.clone() for rows in sets))(sets[0].clone()))


@kinds
def test_constant_similarities_are_no_number_lost(kind: str) -> None:
    same = torch.ones(6, 3)
    assert all(scores.isfinite().all() for scores in cross_fitted_scores(kind, same, same, same))


def test_attackers_judge_real_pairs_of_views() -> None:
    def views(rows: int, noise: float) -> Tensor:
        return torch.randn(rows, 1, 16) + noise * torch.randn(rows, 4, 16)

    members, non_members = pair_similarities(views(80, 0.3)), pair_similarities(views(80, 1.0))
    assert members.shape[1] == len(list(combinations(range(4), 2)))
    found = cross_fitted_scores("vector", members, non_members, members[:5])
    assert membership_auc(found[0], found[1]) > 0.95


@pytest.mark.parametrize(
    ("kind", "shapes", "message"),
    [
        ("tree", [(4, 3), (4, 3), (4, 3)], '"vector" or "set", got \'tree\''),
        ("set", [(4, 3), (4, 2), (4, 3)], "same number of views"),
        ("set", [(4, 3), (4, 3), (4, 2)], "same number of views"),
        ("vector", [(4,), (4,), (4,)], "same number of views"),
        ("vector", [(4, 3), (0, 3), (4, 3)], "same number of views"),
        ("vector", [(4, 3), (1, 3), (4, 3)], "got 4 and 1"),
    ],
)
def test_mistakes_are_refused(kind: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cross_fitted_scores(kind, *(torch.rand(shape) for shape in shapes))


@pytest.mark.parametrize("features", [(), (3,)])
def test_support_vectors_are_those_of_scikit_learn(features: tuple[int, ...]) -> None:
    members, non_members, forget = (0.5 + torch.randn(n, *features) / 4 for n in (60, 60, 40))
    non_members = non_members - 0.3
    reference = SVC(C=3, gamma=1 / (features[0] if features else 1))  # what "auto" stands for
    table = torch.cat([members, non_members]).reshape(120, -1).double().numpy()
    reference.fit(table, [1] * 60 + [0] * 60)
    expected = 100 * float((reference.predict(forget.reshape(40, -1).double().numpy()) == 0).mean())
    assert svc_attack(forget, members, non_members).item() == pytest.approx(expected, abs=1e-4)
    assert 0 < expected < 100


def test_support_vectors_tell_confident_from_unsure_answers() -> None:
    def sure(rows: int, by: float, seed: int) -> Tensor:
        logits = torch.stack([normal(rows, by, seed), normal(rows, 0, seed + 1)], dim=1)
        return confidence(logits.softmax(dim=1), torch.zeros(rows, dtype=torch.long))

    members, non_members = sure(200, 6, 0), sure(200, 0, 2)
    assert svc_attack(sure(100, 6, 4), members, non_members) < 10
    assert svc_attack(sure(100, 0, 6), members, non_members) > 85


def test_support_vectors_need_sets_of_one_shape() -> None:
    with pytest.raises(ValueError, match=r"got \(3,\) and \(2,\)"):
        svc_attack(torch.ones(2), torch.ones(3), torch.ones(2))
    with pytest.raises(ValueError, match="one score or more"):
        svc_attack(torch.ones(0), torch.ones(3), torch.ones(3))
