"""Findings from scores that the tests make: against plain loops, and what must come out where all is known."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score
from torch import Tensor

from unlearning_pl.functional.roc import bootstrap_interval, membership_auc
from unlearning_pl.shadow import shadow_attacks as module
from unlearning_pl.shadow.shadow_attacks import Evidence, attacks, by_pair, distances, evaluate_attack
from unlearning_pl.shadow.shadow_plan import assign_halves
from unlearning_pl.shadow.shadow_scores import Scores


def evidence(
    memory: float = 0.0, left: float = 0.0, count: int = 8, images: int = 40, seed: int = 0, retrained: bool = True
) -> Evidence:
    """Log odds around a level for each image: ``memory`` higher where it was seen, ``left`` where it was unlearned."""
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    seen, level = assign_halves(images, count, seed), 3 * noise(images)

    def scores(gain: Tensor | float, models: int | None = None) -> Scores:
        shape = (images,) if models is None else (models, images)
        return Scores(level + gain + noise(*shape), noise(*shape[:-1], 50), classifier=True)

    unseen = scores(0.0) if retrained else None
    return Evidence(
        seen, scores(memory * seen, count), scores(left * seen, count), scores(memory), scores(left), unseen
    )


def by_name(found: Evidence) -> dict[tuple[str, str, str], Any]:
    return {(f.attack, f.target, f.against): f for each in attacks(found) for f in evaluate_attack(each, found.seen)}


def loop_ratio(target: Tensor, scores: Tensor, seen: Tensor, pooled: bool) -> list[float]:
    kinds = []
    for kind in (True, False):
        of = [
            [x.item() for x, s in zip(scores[:, n], seen[:, n], strict=True) if bool(s) == kind]
            for n in range(len(target))
        ]
        means = [sum(xs) / len(xs) for xs in of]
        squares = [sum((x - mean) ** 2 for x in xs) for xs, mean in zip(of, means, strict=True)]
        shared = sum(squares) / sum(len(xs) - 1 for xs in of)
        variances = [shared if pooled else square / (len(xs) - 1) for square, xs in zip(squares, of, strict=True)]
        kinds.append(
            [norm.logpdf(t, mean, v**0.5) for t, mean, v in zip(target.tolist(), means, variances, strict=True)]
        )
    return [into - out for into, out in zip(*kinds, strict=True)]


@pytest.mark.parametrize("count", [8, 34])
def test_ratios_are_those_of_a_plain_loop(count: int) -> None:
    found = evidence(memory=1.0, left=0.5, count=count, images=12)
    lira, _, u_lira, _ = attacks(found)
    assert found.pooled == (count == 8)
    loop = loop_ratio(found.original.images, found.originals.images, found.seen, found.pooled)
    torch.testing.assert_close(lira.own, torch.tensor(loop, dtype=torch.float64))
    mixed = torch.stack([
        torch.stack([
            (found.unlearned if found.seen[s, n] else found.originals).images[s, n] for n in range(12)
        ]) for s in range(count)
    ])  # fmt: skip
    loop = loop_ratio(found.model.images, mixed, found.seen, found.pooled)
    torch.testing.assert_close(u_lira.own, torch.tensor(loop, dtype=torch.float64))
    for shadow in (0, 3):
        others = [s for s in range(count) if s // 2 != shadow // 2]
        loop = loop_ratio(mixed[shadow], mixed[others], found.seen[others], found.pooled)
        torch.testing.assert_close(u_lira.in_turn[shadow], torch.tensor(loop, dtype=torch.float64))


def test_relative_membership_is_that_of_a_plain_loop() -> None:
    found = evidence(memory=1.0, left=0.5, count=6, images=8)
    _, before, _, after = attacks(found)
    n_images, n_population = 8, 50

    def loop(images: Tensor, population: Tensor, others: list[int]) -> list[float]:
        def expected(values: list[Tensor]) -> float:
            return 0.65 * sum(v.sigmoid().item() for v in values) / len(values) + 0.35

        gains = []
        for z in range(n_population):
            gains.append(population[z].sigmoid().item() / expected([found.originals.population[s, z] for s in others]))
        answers = []
        for n in range(n_images):
            never = [found.originals.images[s, n] for s in others if not found.seen[s, n]]
            gain = images[n].sigmoid().item() / expected(never)
            answers.append(sum(gain / other > 1 for other in gains) / n_population)
        return answers

    everyone = list(range(6))
    for answers, target in ((before, found.original), (after, found.model)):
        assert answers.own.tolist() == pytest.approx(loop(target.images, target.population, everyone))
    for shadow in (1, 4):
        others = [s for s in everyone if s // 2 != shadow // 2]
        was, now = found.originals, found.unlearned
        then = loop(was.images[shadow], was.population[shadow], others)
        later = loop(now.images[shadow], now.population[shadow], others)
        expected = [a if s else b for a, b, s in zip(later, then, found.seen[shadow].tolist(), strict=True)]
        assert after.in_turn[shadow].tolist() == pytest.approx(expected)


def test_figures_are_those_of_scikit_learn() -> None:
    found = evidence(memory=1.0, count=8, images=60)
    lira = attacks(found)[0]
    retrained, turns, control = evaluate_attack(lira, found.seen)
    labels = [1] * 60 + [0] * 60
    assert retrained.metrics["auc"] == pytest.approx(
        roc_auc_score(labels, [*lira.own.tolist(), *lira.retrained.tolist()])
    )
    assert turns.metrics["auc"] == pytest.approx(roc_auc_score(found.seen.flatten(), lira.in_turn.flatten()))
    assert retrained.interval[0] < retrained.metrics["auc"] < retrained.interval[1]
    assert "tpr_at_1_fpr" in turns.metrics  # 240 unseen ones
    assert "tpr_at_1_fpr" not in retrained.metrics
    unseen = lira.in_turn[~found.seen].tolist()
    assert control.metrics["auc"] == pytest.approx(
        roc_auc_score([1] * 60 + [0] * len(unseen), [*lira.retrained.tolist(), *unseen])
    )
    assert abs(control.metrics["auc"] - 0.5) < 0.1
    right = [*(lira.own > 0).tolist(), *(lira.retrained <= 0).tolist()]
    assert retrained.metrics["accuracy"] == pytest.approx(100 * sum(right) / 120)


def test_what_is_remembered_is_found_and_what_left_no_trace_is_not() -> None:
    found = by_name(evidence(memory=3.0, left=0.0, count=16, images=200))
    for against in ("retrained", "shadow models"):
        assert found["LiRA", "original", against].metrics["auc"] > 0.95
        assert abs(found["U-LiRA", "model", against].metrics["auc"] - 0.5) < 0.08
        assert abs(found["U-LiRA", "model", against].metrics["mean"] - 0.5) < 0.05


def test_chance_is_an_auc_of_one_half_however_few_models() -> None:
    aucs = []
    for seed in range(40):
        found = evidence(count=6, seed=seed)
        in_turn = attacks(found)[0].in_turn
        aucs.append(membership_auc(in_turn[found.seen], in_turn[~found.seen]).item())
    assert abs(sum(aucs) / 40 - 0.5) < 0.025  # a model left out without its partner would make this 0.46


def test_an_interval_counts_an_image_once_however_many_models_speak_of_it() -> None:
    found = evidence(memory=1.0, count=8, images=30)
    repeated = [attacks(found)[0], attacks(found)[0]]
    in_turn = torch.cat([repeated[0].in_turn] * 4)
    one, four = (
        evaluate_attack(type(each)(each.attack, each.target, each.own, None, turns), seen)[0].interval
        for each, turns, seen in (
            (repeated[0], repeated[0].in_turn, found.seen),
            (repeated[1], in_turn, found.seen.repeat(4, 1)),
        )
    )
    assert one == pytest.approx(four)


@pytest.mark.parametrize("rows", [1, 4])
def test_an_interval_is_that_of_a_plain_loop(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NUMBERS", 1000)  # several portions
    members = torch.randn(rows, 30).add(0.5).mul(2).round()  # with ties
    others = torch.randn(4, 30).mul(2).round()

    def auc(draws: Tensor, _: Tensor) -> Tensor:
        return torch.stack([membership_auc(members[:, row].flatten(), others[:, row].flatten()) for row in draws])

    expected = bootstrap_interval(auc, torch.arange(30), torch.zeros(1))
    assert module._interval(members, others) == pytest.approx(expected, abs=1e-6)


def test_chance_of_a_distance_is_of_its_own_comparison() -> None:
    found = evidence(memory=4.0, left=0.0, count=8, images=30)
    first, second = (distances(one) for one in (found, replace(found, unlearned=found.originals)))
    for name in ("original", "original_chance"):
        assert torch.equal(first[name], second[name])
        assert torch.equal(second[name.replace("original", "model")], second[name])
    assert not torch.equal(first["model_chance"], first["original_chance"])


def test_four_models_are_too_few_for_lira_in_turn() -> None:
    found = by_name(evidence(count=4, retrained=False))
    assert {attack for attack, *_ in found} == {"RMIA"}


def test_pairs_are_told_apart() -> None:
    seen = assign_halves(5, 6, seed=1)
    values = torch.arange(30.0).view(6, 5)
    members, others = by_pair(values, seen)
    for pair in range(3):
        for n in range(5):
            saw = 2 * pair if seen[2 * pair, n] else 2 * pair + 1
            assert members[pair, n] == values[saw, n]
            assert others[pair, n] == values[4 * pair + 1 - saw, n]


def test_distances_are_zero_by_no_difference_and_grow_with_memory() -> None:
    found = evidence(memory=6.0, left=0.0, count=40, images=30)
    klom = {name: values.mean().item() for name, values in distances(found).items()}
    assert klom["original"] > 2 * klom["model_chance"]
    assert abs(klom["model"] - klom["model_chance"]) < 0.25 * klom["model_chance"]
    same = Evidence(
        found.seen, *[found.originals._replace(images=found.originals.images * 0)] * 2, found.original, found.model
    )
    assert all(values.abs().max() == 0 for values in distances(same).values())


def test_probabilities_stay_within_their_range() -> None:
    odds = Scores(torch.tensor([-2000.0, 0.0, 50.0]).double(), torch.zeros(1).double(), classifier=True).probabilities()
    assert 0 < odds.images.min() < 1e-300
    assert odds.images.max() <= 1
    cosines = Scores(torch.tensor([-1.0, 0.2, 1.0 + 1e-9]).double(), torch.zeros(1).double(), classifier=False)
    assert cosines.probabilities().images[1:].tolist() == pytest.approx([0.6, 1.0])
    assert cosines.probabilities().images[0] > 0
