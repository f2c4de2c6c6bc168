"""Near duplicates: pairs of images whose vectors have a high cosine similarity.

Letters: B images, C channels, H height, W width, N and M rows of two sets, D dimensions, P pairs.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 16
_ROUNDING = 1e-6
"""Tolerance of float32 for the cosine of an exact copy, which is 1."""


class Pairs(NamedTuple):
    """Near-duplicate pairs of rows of two sets.

    Attributes:
        first: Row of the first set, ``(P,)`` int64, the most similar pair first.
        second: Row of the second set, ``(P,)`` int64.
        similarity: Their cosine, ``(P,)`` float32.
        of_first: Whether a row of the first set is in any pair, ``(N,)`` bool.
        of_second: Whether a row of the second set is in any pair, ``(M,)`` bool.
        total: Number of pairs found, P or more.
    """

    first: Tensor
    second: Tensor
    similarity: Tensor
    of_first: Tensor
    of_second: Tensor
    total: int


def near_duplicates(first: Tensor, second: Tensor, threshold: float, most: int = 100_000, chunk: int = 1024) -> Pairs:
    r"""Find all pairs of a row of the first set and a row of the second whose cosine similarity reaches a threshold.

    .. math:: \{ (i, j) : \cos(x_i, y_j) \ge t \}

    The N x M cosines are computed in blocks and never held together. Pairs of equal similarity are sorted by row.
    A threshold of 1 finds copies too: the comparison allows for float32 rounding.

    Args:
        first: Vectors, ``(N, D)``; a vector of zeros has no duplicate.
        second: Vectors, ``(M, D)``.
        threshold: t, in (0, 1].
        most: Maximum number of pairs to keep, the most similar ones; ``total`` counts all.
        chunk: Rows of each set in a block.

    Raises:
        ValueError: The sets have different numbers of columns, or the threshold is out of its range.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.1], [-1.0, 0.0], [5.0, 0.0]])
        >>> found = near_duplicates(x, y, threshold=0.9)
        >>> found.first.tolist(), found.second.tolist(), found.of_first.tolist()
        ([0, 0], [2, 0], [True, False])
    """
    _check_vectors(first, second, threshold)
    x, y = F.normalize(first.float()), F.normalize(second.float())
    of_first, of_second = torch.zeros(len(x), dtype=torch.bool), torch.zeros(len(y), dtype=torch.bool)
    rows, similarity, total = torch.empty(2, 0, dtype=torch.int64), torch.empty(0), 0
    for row in range(0, len(x), chunk):
        for column in range(0, len(y), chunk):
            cosines = (x[row : row + chunk] @ y[column : column + chunk].T).clamp(-1, 1)
            close = cosines >= threshold - _ROUNDING
            total += int(close.sum())
            of_first[row : row + chunk] |= close.any(dim=1)
            of_second[column : column + chunk] |= close.any(dim=0)
            if len(similarity) == most:  # less similar pairs cannot enter
                close &= cosines >= similarity[-1]
            matches = close.nonzero().T
            joined = torch.cat([similarity, cosines[matches[0], matches[1]]])
            rows = torch.cat([rows, matches + torch.tensor([[row], [column]])], dim=1)
            rows, similarity = _most_similar(rows, joined, most)
    return Pairs(rows[0], rows[1], similarity, of_first, of_second, total)


def _check_vectors(first: Tensor, second: Tensor, threshold: float) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"Expected vectors (N, D) and (M, D), got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed both sets with one model."
        )
    if not 0 < threshold <= 1:
        raise ValueError(f"Expected a threshold above 0 and up to 1, got {threshold}. Choose a cosine such as 0.95.")


def _most_similar(rows: Tensor, similarity: Tensor, most: int) -> tuple[Tensor, Tensor]:
    # Stable sorts by the second row, the first row and the similarity: each keeps the order of the previous ones.
    order = rows[1].argsort(stable=True)
    order = order[rows[0][order].argsort(stable=True)]
    order = order[similarity[order].argsort(descending=True, stable=True)][:most]
    return rows[:, order], similarity[order]


def thumbnails(images: Tensor) -> Tensor:
    """Vectors of images without a model: grayscale, 16x16 pixels, zero mean, unit length.

    The cosine of two vectors is the correlation of their pixels: it is invariant to brightness, contrast and size.

    Args:
        images: ``(B, C, H, W)``, of any range.

    Returns:
        ``(B, 256)``; zeros for an image of a single colour, which has no duplicate.

    Example:
        >>> image = torch.arange(64.0).view(1, 1, 8, 8)
        >>> pair = thumbnails(torch.cat([image, 5 - 2 * image]))
        >>> round((pair[0] @ pair[1]).item(), 4)
        -1.0
    """
    gray = images.float().mean(dim=1, keepdim=True)
    small = F.interpolate(gray, (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False).flatten(1)
    centred = small - small.mean(dim=1, keepdim=True)
    negligible = 1e-5 * small.abs().amax(dim=1, keepdim=True)  # rounding errors of a single colour are no content
    return F.normalize(centred.where(centred.abs() > negligible, 0))
