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
from unlearning_pl.functional.auc_difference import AucDifference, ScorePair, auc_components, auc_difference
from unlearning_pl.functional.audit_power import auc_variance, detectable_auc, images_needed


def judge(
    model: Evidence,
    references: Sequence[Evidence] = (),
    original: Evidence | None = None,
    level: float = LEVEL,
    margin: float = MARGIN,
    headline: str | None = None,
) -> Verdict | None:
    """Judge a model by simultaneous tests of all attacks that it and the references have.

    In this order: ``broken`` if all scores are alike, or utility is below the references' by more than
    :data:`UTILITY_MARGIN` (twice that with one reference) and their spread; ``over-forgets`` (``remembers``) if an
    attack finds the images to forget less (more) familiar than the references do; ``equivalent`` if attacks tell the
    original, and two one-sided tests [1] put every attack within ``margin`` and every utility within its own; else
    ``cannot tell``. Without references only ``broken``, ``remembers`` and ``cannot tell`` are possible.

    Args:
        model: The model.
        references: Models retrained without the images to forget.
        original: The model before unlearning, the positive control.
        level: Probability of a false verdict, shared by the attacks.
        margin: Difference of the AUC that counts as equivalent, in (0, 0.5).
        headline: The headline attack; :func:`headline_attack` by default.

    Returns:
        None if no attack is defined.

    Example:
        >>> scores = torch.linspace(0, 1, 200)
        >>> original, retrained = (Evidence({"mean": (scores + shift, scores)}) for shift in (0.5, 0.0))
        >>> [judge(model, [retrained], original).kind for model in (original, retrained)]
        ['remembers', 'equivalent']
    """
    others = [*references, *([] if original is None else [original])]
    attacks = [name for name in model.attacks if all(name in evidence.attacks for evidence in others)]
    if not attacks:
        return None
    share = level / len(attacks)
    difference = _differences(model, references, attacks)
    control = None if original is None else _differences(original, references, attacks)
    attack = headline if headline in attacks else headline_attack(attacks, original, references)
    lost = _lost_utility(model, references, level)
    kind, reason = _decide(model, difference, control, lost, share, margin, len(references))
    found = difference[attack]
    inflation = _inflation(found, model.attacks[attack]) if references else 1.0
    counts = [len(scores) for scores in model.attacks[attack]]
    return Verdict(
        kind,
        reason,
        attack,
        difference,
        found.interval(share),
        _floor(found, [evidence.attacks[attack] for evidence in references]),
        level,
        margin,
        detectable_auc(counts[0], counts[1], share, inflation=inflation, reference=_inside(found.reference)),
        _needed(reason, None if control is None else control[attack], margin, counts, share, inflation)
        if kind == "cannot tell"
        else None,
        lost,
        len(references),
    )


def headline_attack(attacks: Sequence[str], original: Evidence | None, references: Sequence[Evidence]) -> str:
    """The attack that tells the original best from the references; the first one without an original."""
    control = {} if original is None else _differences(original, references, attacks)
    return max(attacks, key=lambda name: abs(control[name].value)) if control else attacks[0]


def _differences(model: Evidence, references: Sequence[Evidence], attacks: Sequence[str]) -> dict[str, AucDifference]:
    return {
        name: auc_difference(model.attacks[name], [evidence.attacks[name] for evidence in references])
        for name in attacks
    }


def _decide(
    model: Evidence,
    difference: Mapping[str, AucDifference],
    control: Mapping[str, AucDifference] | None,
    lost: Mapping[str, tuple[float, float, float]],
    share: float,
    margin: float,
    references: int,
) -> tuple[Kind, str]:
    intervals = [one.interval(share) for one in difference.values()]
    if all(_is_constant(model.attacks[name]) for name in difference):
        return "broken", "constant"
    # The part of the training in a loss of utility is not known from one reference.
    tolerated = UTILITY_MARGIN if references > 1 else 2 * UTILITY_MARGIN
    if any(low > tolerated for _, low, _ in lost.values()):
        return "broken", "utility"
    if references and any(high < 0 for _, high in intervals):
        return "over-forgets", "less"
    if any(low > 0 for low, _ in intervals):
        return "remembers", "more"
    if not references:
        return "cannot tell", "no_reference"
    if control is None:
        return "cannot tell", "no_original"
    if not any(low > 0 or high < 0 for low, high in (one.interval(share) for one in control.values())):
        return "cannot tell", "original"
    one_sided = [one.interval(2 * share) for one in difference.values()]
    if not all(-margin < low and high < margin for low, high in one_sided):
        return "cannot tell", "wide"
    if not all(high < UTILITY_MARGIN for _, _, high in lost.values()):
        return "cannot tell", "utility_wide"
    return "equivalent", "within"


def _is_constant(scores: ScorePair) -> bool:
    return (joined := torch.cat(list(scores))).max().item() - joined.min().item() <= CONSTANT


def _lost_utility(
    model: Evidence, references: Sequence[Evidence], level: float
) -> dict[str, tuple[float, float, float]]:
    """Points lost against the mean of the references, and the interval of two one-sided tests, by measure.

    The error is that of the images and, with two references or more, of a new training.
    """
    result = {}
    for name, hits in model.utility.items():
        others = [evidence.utility[name] for evidence in references if name in evidence.utility]
        if not others or any(len(other) != len(hits) for other in others) or len(hits) < 2:
            continue
        lost = 100 * (torch.stack(others).double().mean(0) - hits.double())
        variance, freedom = lost.var().item() / len(lost), len(lost) - 1
        if len(others) > 1:
            variance += (100 * torch.stack(others).double().mean(1)).var().item() * (1 + 1 / len(others))
            freedom = len(others) - 1
        half = float(stats.t.ppf(1 - level, freedom)) * sqrt(variance)
        result[name] = (lost.mean().item(), lost.mean().item() - half, lost.mean().item() + half)
    return result


def _inflation(difference: AucDifference, scores: ScorePair) -> float:
    """Variance of the difference over that of the AUC itself, within what can be estimated."""
    own = auc_variance(_inside(difference.auc), *(len(part) for part in scores))
    return min(4.0, max(0.01, difference.standard_error**2 / own)) if difference.standard_error < inf else 1.0


def _inside(auc: float) -> float:
    return min(0.999, max(0.001, auc))


def _floor(headline: AucDifference, references: Sequence[ScorePair]) -> float | None:
    """Mean distance among the references; with one, that of a normal AUC from its mean, by the images alone."""
    if headline.floor is not None or not references:
        return headline.floor
    variance = sum(part.var().item() / len(part) for part in auc_components(*references[0]) if len(part) > 1)
    return sqrt(2 / pi * variance)


def _needed(
    reason: str, control: AucDifference | None, margin: float, counts: Sequence[int], share: float, inflation: float
) -> int:
    target = abs(control.value) if reason == "original" and control is not None else margin
    return images_needed(min(0.499, max(0.005, target)), counts[1] / counts[0], share, inflation=inflation)
