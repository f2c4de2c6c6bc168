"""Judges a model by simultaneous tests of membership attacks, and by its utility.

References:
    [1] Schuirmann, A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the
        Equivalence of Average Bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 1987
"""

from collections.abc import Mapping, Sequence
from math import inf, pi, sqrt

import torch
from scipy import stats

from unlearning_pl.audits.verdict import CONSTANT, LEVEL, MARGIN, UTILITY_MARGIN, Evidence, Kind, Verdict
from unlearning_pl.functional.auc_difference import (
    AucDifference,
    ScorePair,
    component_difference,
    welch_freedom,
)
from unlearning_pl.functional.audit_power import detectable_auc, images_needed

Differences = Mapping[str, AucDifference]
Lost = Mapping[str, tuple[float, float, float]]
FEWEST_TESTS = 10
"""Test images that utility is compared on; fewer can all be right or wrong by chance."""
ONE_REFERENCE_MARGIN = 10.0
"""Points of utility that a model may lose against a single reference, which shows no spread."""


def judge_model(
    model: Evidence,
    references: Sequence[Evidence] = (),
    original: Evidence | None = None,
    level: float = LEVEL,
    margin: float = MARGIN,
    headline: str | None = None,
    drawn: bool = True,
) -> Verdict | None:
    """Judge a model by simultaneous tests of all attacks that it and the references have, and of its utility.

    In this order: ``broken`` if all scores of the first attack are alike but not those of another model, or utility is
    below the references' by more than :data:`UTILITY_MARGIN` and their spread (:data:`ONE_REFERENCE_MARGIN` with one);
    ``over-forgets`` (``remembers``) if an attack finds the images to forget less (more) familiar than they do;
    ``equivalent`` if an attack tells the original by more than ``margin``, and two one-sided tests [1] put every attack
    within ``margin`` and utility, by at least one measure, within its own; else ``cannot tell``. One reference shows no
    spread of utility, so that ``equivalent`` needs two. Without references only ``broken``, ``remembers`` and ``cannot
    tell`` are possible.

    Args:
        model: The model.
        references: Models retrained without the images to forget.
        original: The model before unlearning, the positive control.
        level: Probability of a false verdict, shared by the attacks and the measures of utility.
        margin: Difference of the AUC that counts as equivalent, in (0, 0.5).
        headline: The headline attack; :func:`headline_attack` by default.
        drawn: Whether the images to forget were drawn at random from those that the unseen ones stand for.

    Returns:
        None if no attack is defined.

    Example:
        >>> scores, right = torch.linspace(0, 1, 200), {"test_accuracy": torch.ones(500)}
        >>> original, retrained = (Evidence({"mean": (scores + shift, scores)}, right) for shift in (0.5, 0.0))
        >>> [judge_model(model, [retrained, retrained], original).kind for model in (original, retrained)]
        ['remembers', 'equivalent']
    """
    others = [*references, *([] if original is None else [original])]
    attacks = [name for name in model.attacks if all(name in evidence.attacks for evidence in others)]
    if not attacks:
        return None
    share = level / (len(attacks) + len(model.utility))
    drawn = drawn and _look_drawn(references, attacks)
    difference = _differences(model, references, attacks, drawn)
    control = None if original is None else _differences(original, references, attacks, drawn)
    lost = _lost_utility(model, references, share)
    first = [one.attacks[attacks[0]] for one in (model, *others)]
    kind, reason = _decide(model, difference, control, lost, share, margin, len(references), drawn)
    if _is_constant(first[0]) and not any(map(_is_constant, first[1:])):  # if all are, the views change nothing
        kind, reason = "broken", "constant"
    attack = headline if headline in attacks else headline_attack(attacks, original, references)
    found, (members, non_members) = difference[attack], (len(scores) for scores in model.attacks[attack])
    return Verdict(
        kind,
        reason,
        attack,
        difference,
        {name: one.interval(share) for name, one in difference.items()},
        _floor(found, [evidence.components[attack] for evidence in references]),
        level,
        margin,
        detectable_auc(found, members, non_members, share),
        _needed(reason, difference, control, attack, margin, share, members),
        lost,
        len(references),
    )


def headline_attack(attacks: Sequence[str], original: Evidence | None, references: Sequence[Evidence]) -> str:
    """The attack that tells the original most surely from the references; the first one without an original."""
    if original is None:
        return attacks[0]
    control = _differences(original, references, attacks, drawn=True)
    return max(attacks, key=lambda name: abs(control[name].value) / max(control[name].standard_error, 1e-12))


def _differences(
    model: Evidence, references: Sequence[Evidence], attacks: Sequence[str], drawn: bool
) -> dict[str, AucDifference]:
    return {
        name: component_difference(model.components[name], [one.components[name] for one in references], drawn)
        for name in attacks
    }


def _look_drawn(references: Sequence[Evidence], attacks: Sequence[str]) -> bool:
    """Whether no attack tells the images to forget from unseen ones in the mean of the retrained models, at 1 %.

    Images that were drawn pass in 99 of 100 cases. A small difference of kind passes too: it is assumed not to exist.
    """
    for name in attacks:
        found = [component_difference(evidence.components[name]) for evidence in references]
        if (
            found
            and abs(sum(one.value for one in found)) / len(found)
            > found[0].interval(0.01 / len(attacks))[1] - found[0].value
        ):
            return False
    return True


def _decide(
    model: Evidence,
    difference: Differences,
    control: Differences | None,
    lost: Lost,
    share: float,
    margin: float,
    references: int,
    drawn: bool,
) -> tuple[Kind, str]:
    tolerated = UTILITY_MARGIN if references > 1 else ONE_REFERENCE_MARGIN
    if any(low > tolerated for _, low, _ in lost.values()):
        return "broken", "utility"
    intervals = [one.interval(share) for one in difference.values()]
    if references == 1 and not drawn:
        return "cannot tell", "one_reference"
    if any(high < 0 for _, high in intervals):
        return ("over-forgets", "less") if references else ("cannot tell", "less_alone")
    if any(low > 0 for low, _ in intervals):
        return ("remembers", "more") if references or drawn else ("cannot tell", "more_alone")
    if not references:
        return "cannot tell", "no_reference"
    kind, reason = _equivalence(difference, control, share, margin)
    return (kind, reason) if kind != "equivalent" else _utility_equivalence(model, lost, references)


def _equivalence(difference: Differences, control: Differences | None, share: float, margin: float) -> tuple[Kind, str]:
    """Whether a model from which nothing was told is equivalent by all attacks, or why it cannot be told."""
    if control is None:
        return "cannot tell", "no_original"
    told = max(one.interval(share)[0] for one in control.values())
    if told <= margin:
        return "cannot tell", "original" if told <= 0 else "original_near"
    if not all(_is_within(one, share, margin) for one in difference.values()):
        return "cannot tell", "wide"
    return "equivalent", "within"


def _utility_equivalence(model: Evidence, lost: Lost, references: int) -> tuple[Kind, str]:
    """Whether a model whose attacks are all within the margin keeps its utility; one reference shows no spread."""
    if not lost or len(lost) < len(model.utility):
        return "cannot tell", "no_utility"
    if references == 1:
        return "cannot tell", "one_utility"
    if not all(high < UTILITY_MARGIN for _, _, high in lost.values()):
        return "cannot tell", "utility_wide"
    return "equivalent", "within"


def _is_constant(scores: ScorePair) -> bool:
    return (joined := torch.cat(list(scores))).max().item() - joined.min().item() <= CONSTANT


def _lost_utility(
    model: Evidence, references: Sequence[Evidence], share: float
) -> dict[str, tuple[float, float, float]]:
    """Points lost against the mean of the references, and the interval of two one-sided tests, by measure.

    The error is that of the images and, with two references or more, of a new training.
    """
    result = {}
    for name, hits in model.utility.items():
        others = [evidence.utility[name] for evidence in references if name in evidence.utility]
        if not others or any(len(other) != len(hits) for other in others) or len(hits) < FEWEST_TESTS:
            continue
        lost = 100 * (torch.stack(others).double().mean(0) - hits.double())
        parts = [(lost.var().item() / len(lost), len(lost) - 1.0)]
        if len(others) > 1:
            spread = (100 * torch.stack(others).double().mean(1)).var().item()
            parts.append((spread * (1 + 1 / len(others)), len(others) - 1.0))
        half = float(stats.t.ppf(1 - share, welch_freedom(parts))) * sqrt(sum(value for value, _ in parts))
        result[name] = (lost.mean().item(), lost.mean().item() - half, lost.mean().item() + half)
    return result


def _floor(headline: AucDifference, references: Sequence[ScorePair]) -> float | None:
    """Mean distance among the references; with one, that of a normal AUC from its mean, by the images alone."""
    if headline.floor is not None or not references:
        return headline.floor
    variance = sum(part.var().item() / len(part) for part in references[0] if len(part) > 1)
    return sqrt(2 / pi * variance)


def _needed(
    reason: str,
    difference: Differences,
    control: Differences | None,
    attack: str,
    margin: float,
    share: float,
    images: int,
) -> int | None:
    """Images to forget that would do, with more unseen ones in proportion; None where images do not help."""
    if reason == "original" and control is not None:
        told = control[attack]
        return _images(told, abs(told.value), share, images)
    if reason != "wide":
        return None
    # With which a model that equals the references is within the margin in 80 % of cases: in 90 % on either side.
    open_ = [one for one in difference.values() if not _is_within(one, share, margin)]
    if any(abs(one.value) >= margin for one in open_):
        return None
    needed = [_images(one, margin, 2 * share, images, power=0.9) for one in open_]
    return None if None in needed else max(count for count in needed if count is not None)


def _images(one: AucDifference, distance: float, level: float, images: int, power: float = 0.8) -> int | None:
    error = one.image_error
    if not 0 < error < inf or distance <= 0 or one.training_error > error:
        return None
    return images_needed(images, error, distance, level, power)


def _is_within(one: AucDifference, share: float, margin: float) -> bool:
    """Whether two one-sided tests put a difference within the margin."""
    low, high = one.interval(2 * share)
    return -margin < low and high < margin
