"""Power of a membership audit: the smallest AUC that it detects, and the number of images that it needs.

Scores of members and non-members are modelled as two normal distributions of equal variance, whose AUC is
``Phi(d / sqrt(2))`` for means that are d standard deviations apart. Letters: M members, L non-members.

References:
    [1] Hanley and McNeil, The Meaning and Use of the Area under a Receiver Operating Characteristic (ROC) Curve,
        Radiology 1982
"""

from functools import lru_cache
from math import sqrt

from scipy import optimize, stats

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
    members: int, non_members: int, level: float, power: float = 0.8, inflation: float = 1.0, reference: float = 0.5
) -> float:
    """The smallest AUC above that of the reference which an audit detects with probability ``power``.

    The audit calls the two sets different if a two-sided test at ``level`` does.

    Args:
        members: M, at least 1.
        non_members: L, at least 1.
        level: Probability that the test calls equal sets different, in (0, 1).
        power: Probability that it detects this AUC, in (0, 1).
        inflation: Variance of the difference to the references, over that of the AUC itself: below 1 if they are
            correlated.
        reference: AUC of the reference, in (0, 1).

    Returns:
        In (``reference``, 1]; 1 if even a perfect attack would not be detected that often.

    Example:
        >>> round(detectable_auc(60, 90, level=0.05), 3), detectable_auc(2, 2, level=0.05)
        (0.632, 1.0)
    """
    limit = float(stats.norm.ppf(1 - level / 2)) * _error(reference, members, non_members, inflation)
    quantile = float(stats.norm.ppf(power))

    def excess(auc: float) -> float:
        return auc - reference - limit - quantile * _error(auc, members, non_members, inflation)

    highest = 1 - 1e-9
    if excess(highest) <= 0:
        return 1.0
    return float(optimize.brentq(excess, reference, highest))


def images_needed(difference: float, ratio: float, level: float, power: float = 0.8, inflation: float = 1.0) -> int:
    """Number of members with which an audit detects a difference of the AUC with probability ``power``.

    Args:
        difference: The difference from 0.5, in (0, 0.5].
        ratio: Non-members for each member.
        level: As in :func:`detectable_auc`.
        power: As there.
        inflation: As there.

    Returns:
        The smallest number; at most 10 000 000.

    Example:
        >>> images_needed(0.1, ratio=1.5, level=0.05)
        104
    """
    low, high = 1, _MOST_IMAGES
    while low < high:
        middle = (low + high) // 2
        found = detectable_auc(middle, max(1, round(ratio * middle)), level, power, inflation) - 0.5 <= difference
        low, high = (low, middle) if found else (middle + 1, high)
    return low


def _error(auc: float, members: int, non_members: int, inflation: float) -> float:
    return sqrt(inflation * auc_variance(auc, members, non_members))
