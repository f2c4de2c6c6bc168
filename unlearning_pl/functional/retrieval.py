"""Image-text retrieval: rank of an image's caption, rank of a caption's image, recall at k.

Letters: Q queries, G distractors, K captions of an image, E width of an embedding.

References:
    [1] Hodosh, Young & Hockenmaier, Framing Image Description as a Ranking Task, JAIR 2013
    [2] Karpathy & Fei-Fei, Deep Visual-Semantic Alignments for Generating Image Descriptions, CVPR 2015, arXiv
        1412.2306
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_CHUNK = 1024  # number of queries per block of the similarity matrix


def image_to_text_ranks(images: Tensor, captions: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    """Image-to-text rank: rank of an image's best own caption among other images' captions, by cosine similarity [1].

    Args:
        images: Embeddings of images, ``(Q, E)``.
        captions: Embeddings of their own captions, ``(Q, K, E)``; rows of NaN for an image with fewer than K.
        index: Positions of these images, ``(Q,)``.
        others: Embeddings of the candidate captions, ``(G, E)``.
        owner: Position of the image of each candidate, ``(G,)``; the image's own captions are excluded.

    Returns:
        ``(Q,)`` float64, 1 is best. Candidates as similar as the own caption get the mean of their ranks: if all are
        the same the rank is in the middle, so a model that cannot distinguish captions has no recall.

    Example:
        >>> one = torch.tensor([0])
        >>> image_to_text_ranks(torch.eye(2)[:1], torch.eye(2)[None, 1:], one, torch.eye(2), torch.tensor([1, 2]))
        tensor([2.5000], dtype=torch.float64)
    """
    own = torch.einsum("qe,qke->qk", _unit(images), _unit(captions)).nan_to_num(-torch.inf).amax(1)
    return _ranks(own, images, index, others, owner)


def text_to_image_ranks(captions: Tensor, images: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    """Text-to-image rank: rank of a caption's own image among other images, by cosine similarity [1].

    Args:
        captions: Embeddings of captions, ``(Q, E)``.
        images: Embeddings of the image of each caption, ``(Q, E)``.
        index: Positions of these images, ``(Q,)``.
        others: Embeddings of the candidate images, ``(G, E)``.
        owner: Position of each candidate, ``(G,)``; the caption's own image is excluded.

    Returns:
        ``(Q,)``, as :func:`image_to_text_ranks`.

    Example:
        >>> text_to_image_ranks(torch.eye(2), torch.eye(2), torch.arange(2), torch.eye(2), torch.arange(2))
        tensor([1., 1.], dtype=torch.float64)
    """
    own = (_unit(captions) * _unit(images)).sum(1)
    return _ranks(own, captions, index, others, owner)


def recall_at_k(ranks: Tensor, k: int) -> Tensor:
    """Recall at k: percent of the queries whose own caption or image is among the first ``k`` candidates [2].

    Args:
        ranks: ``(Q,)``, 1 is best.
        k: Number of candidates.

    Returns:
        A scalar in [0, 100].

    Example:
        >>> recall_at_k(torch.tensor([1.0, 7.0]), 5)
        tensor(50., dtype=torch.float64)
    """
    return 100 * (ranks <= k).double().mean()


def _ranks(own: Tensor, queries: Tensor, index: Tensor, others: Tensor, owner: Tensor) -> Tensor:
    others, ranks = _unit(others), []
    for start in range(0, len(queries), _CHUNK):
        rows = slice(start, start + _CHUNK)
        similarity, own_similarity = _unit(queries[rows]) @ others.T, own[rows, None]
        of_other_images = index[rows, None] != owner
        tied = torch.isclose(
            similarity, own_similarity, rtol=0, atol=1e-6
        )  # the two products are summed in different orders
        ranks.append(
            1 + (of_other_images & ~tied & (similarity > own_similarity)).sum(1) + (of_other_images & tied).sum(1) / 2
        )
    return torch.cat(ranks).double() if ranks else own.double()


def _unit(embeddings: Tensor) -> Tensor:
    return F.normalize(embeddings.float(), dim=-1)
