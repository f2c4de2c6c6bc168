"""Power of a membership audit: the smallest AUC that it detects, and the number of images that it needs.

Scores of members and non-members are modelled as two normal distributions of equal variance, whose AUC is
``Phi(d / sqrt(2))`` for means that are d standard deviations apart. Letters: M members, L non-members.

References:
    [1] Hanley and McNeil, The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve,
        Radiology 1982
"""

from functools import lru_cache
from math import ceil, hypot, inf, sqrt

from scipy import optimize, stats

from unlearning_pl.functional.auc_difference import AucDifference

_MOST_IMAGES = 10**7


@lru_cache(maxsize=4096)
def auc_variance(auc: float, members: int, non_members: int) -> float:
    """Variance of the AUC of normal scores [1].

    Args:
        auc: True AUC, in (0, 1).
        members: M.
        non_members: L.

    Example:
        >>> round(auc_variance(0.5, 60, 90) / ((60 + 90 + 1) / (12 * 60 * 90)), 6)  # that of Mann and Whitney
        1.0
    """
    shift = stats.norm.ppf(auc)
    # P(both of two members above one non-member): two normal variables that correlate by 1/2.
    both = float(stats.multivariate_normal.cdf([shift, shift], cov=[[1, 0.5], [0.5, 1]]))
    excess = both - auc**2  # the same for two non-members, by symmetry
    return (auc * (1 - auc) + (members + non_members - 2) * excess) / (members * non_members)


def detectable_auc(
    difference: AucDifference, members: int, non_members: int, level: float, power: float = 0.8
) -> float:
    """The smallest AUC above the reference's that a test of this difference detects with probability ``power``.

    The audit calls two models different if the two-sided test of :meth:`AucDifference.interval` does. The error at a
    larger AUC is that of the difference, scaled as the error of the AUC itself changes. A model whose scores rank all
    images as the reference's do has an error of 0, which no other model would have: that of independent scores holds.

    Args:
        difference: The difference that was measured, for its errors, freedom and reference.
        members: M, at least 1.
        non_members: L, at least 1.
        level: Probability that the test calls equal models different, in (0, 1).
        power: Probability that it detects this AUC, in (0, 1).

    Returns:
        In (reference, 1]; 1 if even a perfect attack would not be detected that often.

    Example:
        >>> alone = AucDifference(0.5, 0.5, image_error=((60 + 90 + 1) / (12 * 60 * 90)) ** 0.5)
        >>> round(detectable_auc(alone, 60, 90, level=0.05), 3)
        0.633
    """
    if not difference.standard_error < inf:
        return 1.0
    reference = _inside(difference.reference)
    measured = _inside(difference.auc) if difference.references else 0.5  # where the error of the images holds
    base = auc_variance(measured, members, non_members)
    error = difference.image_error or sqrt(2 * base)
    limit = float(stats.t.ppf(1 - level / 2, difference.freedom)) * hypot(error, difference.training_error)
    quantile = float(stats.t.ppf(power, difference.freedom))

    def excess(auc: float) -> float:
        images = error * sqrt(auc_variance(auc, members, non_members) / base)
        return auc - reference - limit - quantile * hypot(images, difference.training_error)

    highest = 1 - 1e-6
    if excess(highest) <= 0:
        return 1.0
    return float(optimize.brentq(excess, reference, highest))


def images_needed(images: int, error: float, distance: float, level: float, power: float = 0.8) -> int:
    """Number of images with which a two-sided test at ``level`` detects a distance with probability ``power``.

    Both sets are taken to grow in proportion, so that the error falls with the square root of their size.

    Args:
        images: The present number.
        error: Standard error of the difference with these.
        distance: The distance to detect, positive.
        level: As in :func:`detectable_auc`.
        power: As there.

    Returns:
        More than ``images``; at most 10 000 000.

    Example:
        >>> images_needed(100, error=0.04, distance=0.1, level=0.05)
        126
    """
    wanted = (float(stats.norm.ppf(1 - level / 2)) + float(stats.norm.ppf(power))) * error / distance
    return min(_MOST_IMAGES, max(images + 1, ceil(images * wanted**2)))


def _inside(auc: float) -> float:
    return min(0.999, max(0.001, auc))
