"""Finding the caption of an image among others, and the image of a caption.

Letters: Q queries, G distractors, K captions of an image, E width of an embedding.

References:
    [1] Hodosh, Young & Hockenmaier, Framing Image Description as a Ranking Task, JAIR 2013
    [2] Karpathy & Fei-Fei, Deep Visual-Semantic Alignments for Generating Image Descriptions, CVPR 2015, arXiv
        1412.2306
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_AT_ONCE = 1024  # queries that are compared with all others at a time


def image_to_text_ranks(images: Tensor, captions: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    """Rank of the best of an image's own captions among those of other images, by cosine similarity [1].

    Args:
        images: Embeddings of images, ``(Q, E)``.
        captions: Their own captions, ``(Q, K, E)``; rows of NaN where an image has fewer than K.
        index: Which images these are, ``(Q,)``.
        others: Captions, ``(G, E)``.
        owner: Whose they are, ``(G,)``; an image's own are left out.

    Returns:
        ``(Q,)`` float64, 1 is best. Captions as similar as the own one share their ranks: where all are the same it is
        in the middle, so that a model which tells nothing apart finds nothing.

    Example:
        >>> one = torch.tensor([0])
        >>> image_to_text_ranks(torch.eye(2)[:1], torch.eye(2)[None, 1:], one, torch.eye(2), torch.tensor([1, 2]))
        tensor([2.5000], dtype=torch.float64)
    """
    own = torch.einsum("qe,qke->qk", _unit(images), _unit(captions)).nan_to_num(-torch.inf).amax(1)
    return _ranks(own, images, index, others, owner)


def text_to_image_ranks(captions: Tensor, images: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    """Rank of a caption's own image among other images, by cosine similarity [1].

    Args:
        captions: Embeddings of captions, ``(Q, E)``.
        images: The image of each, ``(Q, E)``.
        index: Which images these are, ``(Q,)``.
        others: Images, ``(G, E)``.
        owner: Which they are, ``(G,)``; a caption's own is left out.

    Returns:
        ``(Q,)``, as :func:`image_to_text_ranks`.

    Example:
        >>> text_to_image_ranks(torch.eye(2), torch.eye(2), torch.arange(2), torch.eye(2), torch.arange(2))
        tensor([1., 1.], dtype=torch.float64)
    """
    own = (_unit(captions) * _unit(images)).sum(1)
    return _ranks(own, captions, index, others, owner)


def recall_at(ranks: Tensor, k: int) -> Tensor:
    """Share of the queries whose own partner is among the first ``k`` [2].

    Args:
        ranks: ``(Q,)``, 1 is best.
        k: How many are looked at.

    Returns:
        Percent, ``()``.

    Example:
        >>> recall_at(torch.tensor([1.0, 7.0]), 5)
        tensor(50., dtype=torch.float64)
    """
    return 100 * (ranks <= k).double().mean()


def _ranks(own: Tensor, queries: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    others, ranks = _unit(others), []
    for start in range(0, len(queries), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        found, mine = _unit(queries[rows]) @ others.T, own[rows, None]
        foreign = index[rows, None] != owner
        alike = torch.isclose(found, mine, rtol=0, atol=1e-6)  # two ways of adding up the same products
        ranks.append(1 + (foreign & ~alike & (found > mine)).sum(1) + (foreign & alike).sum(1) / 2)
    return torch.cat(ranks).double() if ranks else own.double()


def _unit(embeddings: Tensor) -> Tensor:
    return F.normalize(embeddings.float(), dim=-1)
