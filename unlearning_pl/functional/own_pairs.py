"""Own pairs among the negatives of a contrastive loss, where samples have the positives of partners.

Letters: N rows of one process, M candidates. Views have numbers as names: ``2 i`` is a first view of image i, and
``2 i + 1`` a second view or caption of it, whichever rows and processes have them.
"""

import torch
from torch import Tensor


def drop_own_pairs(logits: Tensor, positive: Tensor, anchors: Tensor, candidates: Tensor) -> Tensor:
    r"""Remove the views of an anchor's own image from its negatives, where its positive is a partner's.

    The softmax would push the own pair apart otherwise. Another view of the positive's image, which a partner that
    lends to two rows leaves, is no negative either. Nothing is removed where all rows are different images, each with
    its own positive.

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
    same_image = anchors[:, None] // 2 == candidates // 2
    is_copy = candidates[positive][:, None] == candidates
    is_positive = torch.arange(len(candidates), device=logits.device) == positive[:, None]
    return logits.masked_fill((same_image | is_copy) & ~is_positive, -torch.inf)


def name_views(images: Tensor, lenders: Tensor) -> tuple[Tensor, Tensor]:
    """Names of the views of a batch whose second views come from other images.

    Args:
        images: Number of the image of each row, ``(N,)`` int64, the same on all processes.
        lenders: Number of the image whose second view each row has, ``(N,)`` int64.

    Returns:
        Names of the first views and of the second views, each ``(N,)`` int64.

    Example:
        >>> name_views(torch.tensor([4, 5, 6]), torch.tensor([4, 6, 5]))
        (tensor([ 8, 10, 12]), tensor([ 9, 13, 11]))
    """
    return 2 * images, 2 * lenders + 1
