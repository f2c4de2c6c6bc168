"""Alignment of two views of a forget image: cosine similarity of their projections."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, drop_empty
from unlearning_pl.functional.alignment import alignment_matrix

MAX_SHOWN = 200
"""Maximum number of images in the alignment matrix that the report shows."""


def forget_alignment(splits: BySplit) -> dict[str, float]:
    """Mean cosine similarity of the projections of two views of a forget image, ``mean_i cos(g(v0_i), g(v1_i))``.

    Computed from ``anchor`` and ``positive`` of all forget images (for an image-text model an image and its first
    caption); lower means that unlearning removed more alignment.

    Returns:
        ``forget_alignment`` in [-1, 1]; empty without forget images.

    Example:
        >>> forget_alignment({})
        {}
    """
    splits = drop_empty(splits)
    if "forget" not in splits:
        return {}
    pairs = F.cosine_similarity(splits["forget"].anchor, splits["forget"].positive)
    return {"forget_alignment": pairs.mean().item()}


def alignment_heat_map(splits: BySplit, shown: int = MAX_SHOWN) -> Tensor:
    """Alignment matrix of the first ``shown`` forget images, in the order of their embeddings, for heat maps.

    Returns:
        ``(M, M)``, M = min(N, shown); ``(0, 0)`` without forget images.

    Example:
        >>> alignment_heat_map({}).shape
        torch.Size([0, 0])
    """
    splits = drop_empty(splits)
    if "forget" not in splits:
        return torch.zeros(0, 0)
    forget = splits["forget"]
    return alignment_matrix(forget.anchor[:shown], forget.positive[:shown])
