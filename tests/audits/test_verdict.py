"""Verdicts have their reasons, their precedence, and no positive word without power."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

from unlearning_pl.audits.judge_model import judge_model
from unlearning_pl.audits.verdict import LEVEL, REASONS, Evidence

TEST = 400


def model(shift: float = 0.0, members: int = 300, seed: int = 0, accuracy: float = 0.95) -> Evidence:
    """Scores whose images all models share; members score higher by ``shift``."""
    own = torch.Generator().manual_seed(seed)
    base = torch.randn(members + TEST, generator=torch.Generator().manual_seed(99))
    scores = base + 0.3 * torch.randn(len(base), generator=own)
    right = (torch.rand(TEST, generator=torch.Generator().manual_seed(98)) < accuracy).double()
    return Evidence({"mean": (scores[:members] + shift, scores[members:])}, {"test_accuracy": right})


REFERENCES = [model(seed=seed) for seed in (1, 2, 3)]
ORIGINAL = model(1.5, seed=4)


def constant(evidence: Evidence) -> Evidence:
    alike: dict[str, tuple[Tensor, Tensor]] = {
        name: (torch.full_like(m, 0.5), torch.full_like(o, 0.5)) for name, (m, o) in evidence.attacks.items()
    }
    return Evidence(alike, evidence.utility)


@pytest.mark.parametrize(
    ("evidence", "kind", "reason"),
    [
        (ORIGINAL, "remembers", "more"),
        (model(0.6, seed=5), "remembers", "more"),
        (model(-0.6, seed=5), "over-forgets", "less"),
        (model(seed=6), "equivalent", "within"),
        (constant(model()), "broken", "constant"),
        (model(0.6, seed=5, accuracy=0.5), "broken", "utility"),
        (model(seed=6, accuracy=0.92), "cannot tell", "utility_wide"),
    ],
)
def test_each_situation_has_its_verdict(evidence: Evidence, kind: str, reason: str) -> None:
    verdict = judge_model(evidence, REFERENCES, ORIGINAL)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == (kind, reason)
    assert verdict.reason in REASONS
    assert 0.5 < verdict.detectable < 0.7
    assert verdict.floor is not None


def kind_and_reason(*args: Any, **options: Any) -> tuple[str, str]:
    verdict = judge_model(*args, **options)
    assert verdict is not None
    return verdict.kind, verdict.reason


@pytest.mark.parametrize("missing", ["everywhere", "of the references", "too few test images"])
def test_without_utility_nothing_is_equivalent(missing: str) -> None:
    """A random model has no difference to the retrained ones either."""

    def without(evidence: Evidence, rows: int = 0) -> Evidence:
        return Evidence(evidence.attacks, {name: hits[:rows] for name, hits in evidence.utility.items() if rows})

    rows = 9 if missing == "too few test images" else 0
    references = [without(one, rows) for one in REFERENCES]
    own = model(seed=6) if missing == "of the references" else without(model(seed=6), rows)
    assert kind_and_reason(model(seed=6), REFERENCES, ORIGINAL) == ("equivalent", "within")
    assert kind_and_reason(own, references, ORIGINAL) == ("cannot tell", "no_utility")


def test_one_reference_shows_no_spread_of_utility() -> None:
    assert kind_and_reason(model(seed=6), REFERENCES[:1], ORIGINAL) == ("cannot tell", "one_utility")


def test_a_lower_utility_is_called_equivalent_at_most_as_often_as_the_level_says() -> None:
    """Three points below the mean of trainings whose accuracy has a deviation of two: the margin is two points."""
    generator, scores, false = torch.Generator().manual_seed(0), model(seed=6).attacks, 0
    for _ in range(ROUNDS):
        levels = 0.9 + 0.02 * torch.randn(3, generator=generator)
        right = [(torch.rand(2000, generator=generator) < level).double() for level in [*levels, torch.tensor(0.87)]]
        *known, own = (Evidence(scores, {"test_accuracy": hits}) for hits in right)
        false += kind_and_reason(own, known, ORIGINAL)[0] == "equivalent"
    assert false <= stats.binom.ppf(0.999, ROUNDS, LEVEL)


def test_views_that_change_nothing_are_no_fault_of_the_model() -> None:
    everything = [constant(one) for one in (model(seed=6), *REFERENCES, ORIGINAL)]
    assert kind_and_reason(everything[0], everything[1:4], everything[4]) == ("cannot tell", "original")
    assert kind_and_reason(everything[0], REFERENCES, ORIGINAL) == ("broken", "constant")


def test_two_images_tell_nothing() -> None:
    def two(evidence: Evidence) -> Evidence:
        members, others = evidence.attacks["mean"]
        return Evidence({"mean": (members[:2], others[:2])}, evidence.utility)

    references = [two(one) for one in REFERENCES]
    for shift in (-4.0, 4.0):
        assert kind_and_reason(two(model(shift)), references, two(ORIGINAL))[0] == "cannot tell"


def test_the_number_that_would_do_is_that_of_the_attack_that_does_not() -> None:
    """With it a model that equals the references is within the margin in 80 % of cases."""

    def both(shift: float, seed: int) -> Evidence:
        near, far = (model(shift, seed=s).attacks["mean"] for s in (seed, seed + 50))
        noise = torch.Generator().manual_seed(seed)
        far = tuple(scores + 2 * torch.randn(len(scores), generator=noise) for scores in far)  # type: ignore[assignment]
        return Evidence({"mean": near, "set": far}, model(seed=seed).utility)

    verdict = judge_model(both(0.0, 6), [both(0.0, seed) for seed in (1, 2, 3)], both(1.5, 4))
    assert verdict is not None
    assert (verdict.reason, verdict.attack) == ("wide", "mean")
    assert verdict.needed is not None
    share = LEVEL / 3  # two attacks and the accuracy
    error = verdict.difference["set"].image_error * (300 / verdict.needed) ** 0.5
    power = 2 * stats.norm.cdf(0.05 / error - stats.norm.ppf(1 - share)) - 1
    assert power == pytest.approx(0.8, abs=0.01)
    assert 0.05 > verdict.interval[1] > verdict.interval[0] > -0.05


def test_without_references_nothing_is_equivalent_and_nothing_over_forgets() -> None:
    kinds = {shift: judge_model(model(shift), (), None) for shift in (-1.5, 0.0, 1.5)}
    assert {shift: one.kind for shift, one in kinds.items() if one} == {
        -1.5: "cannot tell",
        0.0: "cannot tell",
        1.5: "remembers",
    }
    assert judge_model(constant(model()), ()).kind == "broken"  # type: ignore[union-attr]


def test_without_an_original_nothing_is_equivalent() -> None:
    verdict = judge_model(model(seed=6), REFERENCES)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == ("cannot tell", "no_original")


def test_an_original_that_is_not_told_leaves_no_verdict_and_says_how_many_images_would_do() -> None:
    few = [model(members=10, seed=seed) for seed in (1, 2, 3)]
    verdict = judge_model(model(members=10, seed=6), few, model(0.05, members=10, seed=4))
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == ("cannot tell", "original")
    assert verdict.needed is not None
    assert 10 < verdict.needed < 10**6


def test_a_narrow_margin_cannot_be_told() -> None:
    verdict = judge_model(model(seed=6), REFERENCES, ORIGINAL, margin=0.001)
    assert verdict is not None
    assert (verdict.kind, verdict.reason) == ("cannot tell", "wide")


def test_the_headline_is_the_attack_that_tells_the_original_best() -> None:
    def two(mean: float, vector: float, seed: int) -> Evidence:
        first, second = model(mean, seed=seed), model(vector, seed=seed + 50)
        return Evidence({"mean": first.attacks["mean"], "vector": second.attacks["mean"]}, first.utility)

    references = [two(0, 0, seed) for seed in (1, 2, 3)]
    original = two(0.2, 1.5, 4)
    assert judge_model(two(0, 0, 6), references, original).attack == "vector"  # type: ignore[union-attr]
    assert judge_model(two(0, 0, 6), references).attack == "mean"  # type: ignore[union-attr]
    hidden = judge_model(two(1.0, 0.0, 7), references, original)
    assert hidden is not None
    assert hidden.kind == "remembers"  # by the attack that is not the headline


def test_attacks_that_a_model_lacks_are_not_asked() -> None:
    assert judge_model(Evidence({}), [Evidence({})]) is None
    other = Evidence({"confidence": model().attacks["mean"]})
    assert judge_model(model(), [other]) is None


ROUNDS = 300


@pytest.mark.parametrize(("members", "references"), [(3, 1), (30, 3), (300, 3)])
def test_a_retrained_model_is_rarely_accused(members: int, references: int) -> None:
    """False verdicts of rounds with other images: at most the stated level, by the binomial distribution.

    The bound is exceeded in 1 of 1000 cases at the level, and in 997 of 1000 at three times the level.
    """
    bound = int(stats.binom.ppf(0.999, ROUNDS, LEVEL))
    assert stats.binom.cdf(bound, ROUNDS, 3 * LEVEL) < 0.003
    assert false_verdicts(members, references, LEVEL) <= bound
    assert false_verdicts(members, references, 3 * LEVEL) > bound


@pytest.mark.parametrize(("members", "references"), [(3, 1), (30, 3), (300, 3)])
def test_an_original_is_never_called_equivalent(members: int, references: int) -> None:
    kinds = []
    for round_ in range(60):
        one = models_of_a_round(round_, members)
        known, original = [one() for _ in range(references)], one(1.0)
        kinds.append(judge_model(original, known, original).kind)  # type: ignore[union-attr]
    assert "equivalent" not in kinds
    assert members < 300 or set(kinds) == {"remembers"}


def false_verdicts(members: int, references: int, level: float) -> int:
    false = 0
    for round_ in range(ROUNDS):
        one = models_of_a_round(round_, members)
        known = [one() for _ in range(references)]
        false += judge_model(one(), known, level=level).kind in ("remembers", "over-forgets")  # type: ignore[union-attr]
    return false


def models_of_a_round(round_: int, members: int) -> Callable[..., Evidence]:
    """Makes models that all score the images of a round, with errors of their own."""
    generator = torch.Generator().manual_seed(round_)
    base = torch.randn(members + TEST, generator=generator)

    def one(shift: float = 0.0) -> Evidence:
        scores = base + 0.5 * torch.randn(len(base), generator=generator)
        return Evidence({"mean": (scores[:members] + shift, scores[members:])})

    return one


def test_each_attack_has_its_simultaneous_interval() -> None:
    def two(mean: float, other: float, seed: int) -> Evidence:
        one, another = model(mean, seed=seed), model(other, seed=seed + 50)
        return Evidence({"mean": one.attacks["mean"], "set": another.attacks["mean"]}, one.utility)

    verdict = judge_model(two(0.6, -0.6, 5), [two(0.0, 0.0, seed) for seed in (1, 2, 3)], two(1.5, 1.5, 4), level=0.06)
    assert verdict is not None
    assert (verdict.kind, verdict.interval) == ("over-forgets", verdict.intervals[verdict.attack])
    assert verdict.intervals["set"][1] < 0 < verdict.intervals["mean"][0]
    share = 0.06 / 3  # two attacks and the accuracy
    assert verdict.intervals == {name: one.interval(share) for name, one in verdict.difference.items()}
