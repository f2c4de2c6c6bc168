"""Finds references of an audit that are one training: exports or copies of it, whose digests differ."""

from collections.abc import Mapping
from itertools import combinations

import torch
from scipy import stats

from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.errors import require

MIN_IMAGES = 30
"""Fewer images than this may be in one order by chance."""
SAME_ORDER = 0.9999
"""Rank correlation above which scores are those of one training.

On digits (SimCLR, 20 epochs) that of an export in half precision is 0.999999, in bfloat16 0.99997, of another training
0.85.
"""


def require_own_trainings(references: Mapping[str, Evidence], original: str | None = None) -> None:
    """Check that no retrained model is another one in another file, nor the original: the floor would be 0.

    Two models are one training if their scores have the same order, by Spearman's correlation over all images, see
    :func:`is_same_training`. Renaming and another precision leave that order as it is.

    Args:
        references: Evidence of the retrained models and of the original, by name.
        original: Name of the original, if it is among them.

    Raises:
        InputError: If two of them are one training.

    Example:
        >>> one, other = (torch.rand(40, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
        >>> trainings = {"a": one, "b": other, "c": one.half()}
        >>> evidence = {name: Evidence({"mean": (scores[:20], scores[20:])}) for name, scores in trainings.items()}
        >>> require_own_trainings({name: evidence[name] for name in "ab"})
        >>> require_own_trainings(evidence)
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected retrained models of different trainings, got a and c, ...
    """
    retrained = [name for name in references if name != original]
    before = Evidence({}) if original is None else references[original]
    for name in retrained:
        require(
            not is_same_training(before, references[name]),
            f"Expected a retrained model that never saw the forget set, got {name}, which scores all images in the "
            f"order of {original}: it is a copy. Give a model that was trained on the retain set.",
        )
    for one, other in combinations(retrained, 2):
        require(
            not is_same_training(references[one], references[other]),
            f"Expected retrained models of different trainings, got {one} and {other}, which score all images in the "
            "same order: one is a copy. Give each once, or train one with another seed: the floor is their distance.",
        )


def is_same_training(one: Evidence, other: Evidence) -> bool:
    """Whether the scores of the first attack, which is not fitted, are in the same order.

    A learned attack is fitted on each model anew, and finds other scores where only the last bits differ. Constant
    scores have no order, and those of fewer than :data:`MIN_IMAGES` images may agree by chance.

    Example:
        >>> is_same_training(Evidence({}), Evidence({}))
        False
    """
    attack = next(iter(one.attacks), None)
    if attack is None or attack not in other.attacks:
        return False
    scores, others = (torch.cat(evidence.attacks[attack]).double() for evidence in (one, other))
    if len(scores) != len(others) or len(scores) < MIN_IMAGES:
        return False
    if any(bool((values == values[0]).all()) for values in (scores, others)):
        return False
    return float(stats.spearmanr(scores, others).statistic) > SAME_ORDER
