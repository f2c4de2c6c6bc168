"""Bootstrap of rank statistics by counting: scores are sorted once, and a resample is how often it has each of them.

Sorting every resample would take most of the time of an audit. The resamples are those of
:func:`unlearning_pl.functional.roc.bootstrap_resamples`, and all results are those of the plain functions, bit for bit
unless a score is NaN.
Letters: M members, L non-members, R draws of a bootstrap, U distinct scores, K rates.

References:
    [1] Efron and Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unlearning_pl.functional.roc import bootstrap_resamples, require_scores

_COUNTERS = 2**21  # counters of resamples at a time: below 100 MB with their sums


def resampled_roc(
    members: Tensor, non_members: Tensor, rates: Sequence[float] = (), draws: int = 1000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """AUC, and true positive rates at bounded false positive rates, of bootstrap resamples of two sets of scores [1].

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        rates: K largest false positive rates, each in [0, 1).
        draws: Number of resamples R.
        seed: The same seed and sizes draw the same rows.

    Returns:
        :func:`unlearning_pl.functional.roc.membership_auc` of each resample, ``(R,)``, and
        :func:`unlearning_pl.functional.roc.tpr_at_fpr`, ``(K, R)``.

    Raises:
        ValueError: An empty set, no draw, or a rate outside [0, 1).

    Example:
        >>> aucs, rates = resampled_roc(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0]), [0.5], draws=3)
        >>> aucs, rates
        (tensor([1., 1., 1.]), tensor([[1., 1., 1.]]))
    """
    require_scores(members, non_members)
    if not all(0 <= rate < 1 for rate in rates):
        raise ValueError(f"Expected false positive rates in [0, 1), got {[*rates]}. Give 0.01 for one percent.")
    ranked, order = non_members.sort()
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    low, high = (torch.searchsorted(ranked, members.contiguous(), right=right) for right in (False, True))
    aucs, tprs = [], []
    drawn = bootstrap_resamples(torch.arange(len(members), device=members.device), place, draws, seed)
    for chosen, others in drawn:
        below = _count_below(others, len(ranked))
        first = low[chosen]
        twice = (below.gather(1, first) + below.gather(1, high[chosen])).sum(dim=-1)
        aucs.append(twice / (2 * len(members) * len(ranked)))
        tprs.append(
            torch.stack([_tpr(first, below, rate) for rate in rates]) if rates else twice.new_empty(0, len(below))
        )
    return torch.cat(aucs), torch.cat(tprs, dim=1)


def resampled_thresholds(members: Tensor, non_members: Tensor, draws: int, seed: int = 0) -> Tensor:
    """Best threshold of each bootstrap resample of ``min(M, L)`` members and as many non-members.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        draws: Number of resamples R.
        seed: The same seed and sizes draw the same rows.

    Returns:
        ``(R,)``, see :func:`unlearning_pl.functional.threshold_attack.best_threshold`.

    Raises:
        ValueError: An empty set, or no draw.

    Example:
        >>> resampled_thresholds(torch.tensor([0.9, 0.9]), torch.tensor([0.2]), draws=3)
        tensor([0.9000, 0.9000, 0.9000])
    """
    require_scores(members, non_members)
    values, place = torch.unique(torch.cat([members, non_members]), return_inverse=True)
    size = min(len(members), len(non_members))
    drawn = bootstrap_resamples(place[: len(members)], place[len(members) :], draws, seed, size)
    rows = max(1, _COUNTERS // len(values))  # of many scores few may be drawn: a chunk of draws has many counters
    parts = [(m, o) for pair in drawn for m, o in zip(*(torch.split(places, rows) for places in pair), strict=True)]
    thresholds: Tensor = values[torch.cat([_best(m, o, len(values)) for m, o in parts])]
    return thresholds


def _best(members: Tensor, non_members: Tensor, scores: int) -> Tensor:
    """Place of the lowest best threshold among the drawn scores, of places ``(R, N)``: ``(R,)``."""
    false_negatives, true_negatives = _count_below(members, scores), _count_below(non_members, scores)
    balance = (true_negatives - false_negatives)[:, :-1]
    # torch.argmax may return any of several equal maxima; the first one is the lowest threshold
    first = (balance == balance.amax(dim=1, keepdim=True)).int().cummax(dim=1).values.eq(0).sum(dim=1, keepdim=True)
    # A score that was not drawn classifies as the next drawn one does, which is the threshold.
    below = true_negatives + false_negatives
    return torch.searchsorted(below, below.gather(1, first), right=True)[:, 0] - 1


def _tpr(first: Tensor, below: Tensor, rate: float) -> Tensor:
    """True positive rate ``(R,)`` of members above ``first`` ``(R, M)`` of the ranked non-members, of rate below 1."""
    count = below.shape[1] - 1
    allowed = int(rate * count + 1e-9)  # 0.29 * 100 is 28.999999999999996
    most = torch.full((len(below), 1), count - allowed - 1, device=below.device)
    limit = torch.searchsorted(below, most, right=True) - 1  # place of the lowest non-member that may not be above
    return (first > limit).float().mean(dim=-1)


def _count_below(places: Tensor, scores: int) -> Tensor:
    """Number of drawn places ``(R, N)`` below each of 0, 1, ..., ``scores``: ``(R, scores + 1)``."""
    offset = torch.arange(len(places), device=places.device)[:, None] * (scores + 1) + 1
    counts = torch.bincount((places + offset).flatten(), minlength=len(places) * (scores + 1))
    return counts.view(len(places), -1).cumsum_(dim=1)
