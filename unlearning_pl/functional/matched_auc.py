"""AUC of a membership score against unseen images that are weighted so that their classes match the members'.

Images of some classes score higher than those of others, seen or not: where the classes of two sets differ, so do
their scores. Letters: M members (here: forget), L non-members (here: held out).

References:
    [1] Kish, Survey Sampling, Wiley 1965
"""

from math import sqrt

import torch
from torch import Tensor

from unlearning_pl.functional.auc_difference import AucDifference
from unlearning_pl.functional.roc import require_scores


def matching_weights(members: Tensor, non_members: Tensor) -> Tensor:
    """Weights of non-members by which their classes have the members' shares.

    Classes of the members that no non-member has are left out of the shares.

    Args:
        members: Classes ``(M,)`` int64.
        non_members: Classes ``(L,)`` int64.

    Returns:
        ``(L,)`` float64 with the sum 1; all zero if no class is in both.

    Example:
        >>> matching_weights(torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 2]))
        tensor([0.7500, 0.1250, 0.1250, 0.0000], dtype=torch.float64)
    """
    size = int(torch.cat([members, non_members]).max()) + 1
    wanted, given = (classes.bincount(minlength=size).double() for classes in (members, non_members))
    weights = (wanted / given.clamp(min=1))[non_members]
    return weights / weights.sum().clamp(min=torch.finfo(torch.float64).tiny)


def matched_auc(members: Tensor, non_members: Tensor, weights: Tensor) -> AucDifference:
    """AUC of members against weighted non-members, and its difference from 0.5.

    The standard error is that of the Mann-Whitney statistic under equality, for the effective number of non-members,
    ``1 / sum(weights ** 2)`` [1]. With equal weights it is
    :func:`~unlearning_pl.functional.auc_difference.auc_difference` without references. It counts differences between
    classes as chance, which matching removes: the error is rather too large than too small.

    Args:
        members: Scores ``(M,)``.
        non_members: Scores ``(L,)``.
        weights: Weights of the non-members, ``(L,)`` with the sum 1.

    Raises:
        ValueError: An empty set, or weights that are all zero.

    Example:
        >>> matched_auc(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]), torch.tensor([0.5, 0.5])).auc
        0.625
    """
    require_scores(members, non_members)
    squares = weights.double().square().sum().item()
    if not squares > 0:
        raise ValueError("Expected weights with the sum 1, got zeros alone. Give non-members of the members' classes.")
    ranked, order = non_members.sort()
    shares = torch.cat([weights.new_zeros(1, dtype=torch.float64), weights.double()[order].cumsum(0)])
    scores = members.contiguous()
    below, not_above = (shares[torch.searchsorted(ranked, scores, right=right)] for right in (False, True))
    m, n = len(members), 1 / squares
    auc = round((below + not_above).mean().item() / 2, 12)  # equal scores make 0.5, whatever the order of the sums
    return AucDifference(auc, 0.5, sqrt((m + n + 1) / (12 * m * n)))
