"""Own pairs among the negatives of a contrastive loss, where samples have the positives of partners.

Letters: N rows of one process, M candidates. Views have numbers as names: ``2 i`` is the first view of sample i, and
``2 i + 1`` its second view or its caption.
"""

import torch
from torch import Tensor


def drop_own_pairs(logits: Tensor, positive: Tensor, anchors: Tensor, candidates: Tensor) -> Tensor:
    r"""Remove the other view of an anchor's own sample from its negatives, where its positive is a partner's.

    The softmax would push the own pair apart otherwise. A copy of the positive, which a partner that lends to two
    samples leaves, is no negative either. Nothing is removed where every sample has its own positive.

    Args:
        logits: Similarity of each anchor to all candidates, ``(N, M)``.
        positive: Candidate that is the positive of each anchor, ``(N,)`` int64.
        anchors: Name of the view that each anchor is, ``(N,)`` int64.
        candidates: Name of the view that each candidate is, ``(M,)`` int64.

    Returns:
        ``(N, M)``, with minus infinity for the candidates that are removed.

    Example:
        >>> drop_own_pairs(torch.zeros(1, 3), torch.tensor([1]), torch.tensor([0]), torch.tensor([1, 3, 5]))
        tensor([[-inf, 0., 0.]])
    """
    same_sample = anchors[:, None] // 2 == candidates // 2
    is_copy = candidates[positive][:, None] == candidates
    is_positive = torch.arange(len(candidates), device=logits.device) == positive[:, None]
    return logits.masked_fill((same_sample | is_copy) & ~is_positive, -torch.inf)


def name_views(samples: Tensor, partner: Tensor) -> tuple[Tensor, Tensor]:
    """Names of the views of a batch whose second views were exchanged.

    Args:
        samples: Numbers of the samples of this process among those of all, ``(N,)`` int64.
        partner: Row whose second view each row has, ``(N,)`` int64.

    Returns:
        Names of the first views and of the second views, each ``(N,)`` int64.

    Example:
        >>> name_views(torch.tensor([4, 5, 6]), torch.tensor([0, 2, 1]))
        (tensor([ 8, 10, 12]), tensor([ 9, 13, 11]))
    """
    return 2 * samples, 2 * samples[partner] + 1
