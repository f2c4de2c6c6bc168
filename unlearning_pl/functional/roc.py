"""ROC analysis of membership scores: AUC, true positive rate at a false positive rate, bootstrap intervals.

A score is higher for a member (trained on) than for a non-member (never seen). Letters: M members, L non-members, R
draws of a bootstrap, T distinct scores.

References:
    [1] Carlini et al., Membership Inference Attacks From First Principles, S&P 2022, arXiv 2112.03570
    [2] Efron and Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_CHUNK_SIZE = 2**21  # numbers drawn at a time: with row numbers and sort buffers, below 100 MB


def membership_auc(members: Tensor, non_members: Tensor) -> Tensor:
    """Area under the ROC curve (AUC) of a membership score.

    ``P(member > non-member) + P(member = non-member) / 2`` over all pairs, exact, with ties counted half.
    0.5 means that the sets are indistinguishable; above it members score higher; below it they score lower than images
    never seen, which reveals membership as well.

    Args:
        members: Scores of the members (here: forget), ``(..., M)``.
        non_members: Scores of unseen images, ``(..., L)``; L may differ from M.

    Returns:
        ``(...)`` in [0, 1]: a scalar for two sets, one value per row for rows of sets.

    Raises:
        ValueError: An empty set.

    Example:
        >>> membership_auc(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]))
        tensor(0.6250)
    """
    require_scores(members, non_members)
    ranked, members = non_members.sort(dim=-1).values, members.contiguous()
    below = torch.searchsorted(ranked, members)
    not_above = torch.searchsorted(ranked, members, right=True)
    return (below + not_above).sum(dim=-1) / (2 * members.shape[-1] * non_members.shape[-1])


def tpr_at_fpr(members: Tensor, non_members: Tensor, rate: float) -> Tensor:
    """True positive rate (TPR) of a membership score at a bounded false positive rate [1].

    Args:
        members: Scores of members, ``(..., M)``.
        non_members: Scores of non-members, ``(..., L)``; with L below ``1 / rate`` no false positive is allowed.
        rate: Largest false positive rate, in [0, 1].

    Returns:
        The largest true positive rate over all thresholds with that false positive rate, ``(...)`` in [0, 1].

    Raises:
        ValueError: An empty set, or a rate outside [0, 1].

    Example:
        >>> tpr_at_fpr(torch.tensor([0.9, 0.6, 0.4, 0.2]), torch.tensor([0.7, 0.5, 0.3, 0.1]), 0.25)
        tensor(0.5000)
    """
    require_scores(members, non_members)
    if not 0 <= rate <= 1:
        raise ValueError(f"Expected a false positive rate in [0, 1], got {rate}. Give 0.01 for one percent.")
    allowed = int(rate * non_members.shape[-1] + 1e-9)  # 0.29 * 100 is 28.999999999999996
    if allowed >= non_members.shape[-1]:
        return torch.ones(members.shape[:-1], device=members.device)
    limit = non_members.topk(allowed + 1, dim=-1).values[..., -1:]
    return (members > limit).float().mean(dim=-1)


def roc_curve(members: Tensor, non_members: Tensor) -> tuple[Tensor, Tensor]:
    """ROC curve of a membership score.

    Images of equal score are classified together, so a tie is a single step, up and to the right at once.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.

    Returns:
        False positive rate and true positive rate, each ``(T + 1,)`` and ascending, from (0, 0) to (1, 1); the area
        under it is :func:`membership_auc`.

    Raises:
        ValueError: An empty set.

    Example:
        >>> roc_curve(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]))
        (tensor([0.0000, 0.0000, 0.5000, 1.0000]), tensor([0.0000, 0.5000, 0.5000, 1.0000]))
    """
    require_scores(members, non_members)
    levels = torch.unique(torch.cat([members, non_members])).flip(0)

    def positive_rate(scores: Tensor) -> Tensor:
        count = len(scores) - torch.searchsorted(scores.sort().values, levels)
        return torch.cat([count.new_zeros(1), count]) / len(scores)

    return positive_rate(non_members), positive_rate(members)


def bootstrap_interval(
    statistic: Callable[[Tensor, Tensor], Tensor],
    members: Tensor,
    non_members: Tensor,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a statistic of two sets of scores [2].

    Both sets are resampled with replacement, independently of one another. The interval reflects the sampling of images
    only, not the variance of training and augmentation.

    Args:
        statistic: Maps members ``(R, M)`` and non-members ``(R, L)`` to ``(R,)``: :func:`membership_auc`, or
            :func:`tpr_at_fpr` by ``functools.partial(tpr_at_fpr, rate=0.01)``.
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        draws: Number of resamples R.
        level: Confidence level, the fraction of the resamples inside the interval, in (0, 1).
        seed: The same seed and sizes draw the same rows.

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: An empty set, no draw, or a level outside (0, 1).

    Example:
        >>> bootstrap_interval(membership_auc, torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0]))
        (1.0, 1.0)
    """
    require_scores(members, non_members)
    require_level(level)
    statistics = [statistic(*pair) for pair in bootstrap_resamples(members, non_members, draws, seed)]
    return percentile_interval(torch.cat(statistics), level)


def percentile_interval(statistics: Tensor, level: float = 0.95) -> tuple[float, float]:
    """The interval that contains a fraction of the resamples, and as many on either side of it [2].

    Args:
        statistics: A statistic of each resample, ``(R,)``.
        level: Fraction of the resamples inside the interval, in (0, 1).

    Returns:
        The lower and the upper end.

    Raises:
        ValueError: A level outside (0, 1).

    Example:
        >>> percentile_interval(torch.arange(101.0), 0.5)
        (25.0, 75.0)
    """
    require_level(level)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64, device=statistics.device)
    low, high = statistics.double().quantile(ends).tolist()
    return low, high


def bootstrap_resamples(
    members: Tensor, non_members: Tensor, draws: int, seed: int, size: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Resample two sets with replacement, many times, in chunks that fit into memory.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        draws: Number of resamples over all chunks.
        seed: The same seed and sizes draw the same rows.
        size: Number of scores to draw from each set; its own size if None.

    Yields:
        Members ``(R, M)`` and non-members ``(R, L)``, or ``(R, size)`` each, R draws at a time.

    Raises:
        ValueError: No draw.

    Example:
        >>> [tuple(a.shape) for a, _ in bootstrap_resamples(torch.zeros(3), torch.ones(5), draws=4, seed=0)]
        [(4, 3)]
    """
    if draws < 1:
        raise ValueError(f"Expected one draw or more, got {draws}. A thousand give a stable interval.")
    generator = torch.Generator().manual_seed(seed)

    def draw(scores: Tensor, count: int) -> Tensor:
        rows = torch.randint(len(scores), (count, size or len(scores)), generator=generator)
        return scores[rows.to(scores.device)]

    chunk = max(1, _CHUNK_SIZE // (2 * size if size else len(members) + len(non_members)))
    for start in range(0, draws, chunk):
        count = min(chunk, draws - start)
        yield draw(members, count), draw(non_members, count)


def require_level(level: float) -> None:
    """Check the level of an interval.

    Raises:
        ValueError: A level outside (0, 1).

    Example:
        >>> require_level(0.95)
    """
    if not 0 < level < 1:
        raise ValueError(f"Expected a level in (0, 1), got {level}. Give 0.95 for 95 percent.")


def require_scores(first: Tensor, second: Tensor) -> None:
    """Check that sets of scores are not empty.

    Raises:
        ValueError: A set is empty or a scalar.

    Example:
        >>> require_scores(torch.zeros(3), torch.zeros(1))
    """
    for scores in (first, second):
        if scores.ndim == 0 or scores.shape[-1] == 0:
            raise ValueError(
                f"Expected one score or more of shape (N,), got {tuple(scores.shape)}. "
                "Skip the attack for an empty set."
            )
