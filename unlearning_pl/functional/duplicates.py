"""Images that are nearly the same, by how alike their vectors are.

Letters: B images, C channels, H height, W width, N and M rows of two sets, D dimensions, P pairs.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_SIDE = 16
_ROUNDING = 1e-6
"""By how much float32 may miss the cosine of a copy, which is 1."""


class Pairs(NamedTuple):
    """Rows of two sets that are nearly the same.

    Attributes:
        first: Row of the first set, ``(P,)`` int64, the most similar pair first.
        second: Row of the second set, ``(P,)`` int64.
        similarity: Their cosine, ``(P,)`` float32.
        of_first: Whether a row of the first set has any, ``(N,)`` bool.
        of_second: Whether a row of the second set has any, ``(M,)`` bool.
        total: All pairs that there are, P or more.
    """

    first: Tensor
    second: Tensor
    similarity: Tensor
    of_first: Tensor
    of_second: Tensor
    total: int


def near_duplicates(first: Tensor, second: Tensor, threshold: float, most: int = 100_000, chunk: int = 1024) -> Pairs:
    r"""All pairs of a row of the first set and one of the second whose cosine reaches a threshold.

    .. math:: \{ (i, j) : \cos(x_i, y_j) \ge t \}

    The N x M cosines are looked at in blocks and never held together. Among equal ones the earlier rows come first.
    Copies are found at a threshold of 1 too: what float32 rounds away is forgiven.

    Args:
        first: Vectors, ``(N, D)``; one of zeros is like no other.
        second: Vectors, ``(M, D)``.
        threshold: t, in (0, 1].
        most: Pairs to keep, the most similar; all are counted.
        chunk: Rows of each set in a block.

    Raises:
        ValueError: The two have not as many columns, or the threshold is out of its range.

    Example:
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0, 0.1], [-1.0, 0.0], [5.0, 0.0]])
        >>> found = near_duplicates(x, y, threshold=0.9)
        >>> found.first.tolist(), found.second.tolist(), found.of_first.tolist()
        ([0, 0], [2, 0], [True, False])
    """
    _require_comparable(first, second, threshold)
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
            if len(similarity) == most:  # nothing below the last of them can join
                close &= cosines >= similarity[-1]
            found = close.nonzero().T
            joined = torch.cat([similarity, cosines[found[0], found[1]]])
            rows = torch.cat([rows, found + torch.tensor([[row], [column]])], dim=1)
            rows, similarity = _most_similar(rows, joined, most)
    return Pairs(rows[0], rows[1], similarity, of_first, of_second, total)


def _require_comparable(first: Tensor, second: Tensor, threshold: float) -> None:
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"Expected vectors (N, D) and (M, D), got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed both sets with one model."
        )
    if not 0 < threshold <= 1:
        raise ValueError(f"Expected a threshold above 0 and up to 1, got {threshold}. Choose a cosine such as 0.95.")


def _most_similar(rows: Tensor, similarity: Tensor, most: int) -> tuple[Tensor, Tensor]:
    # by the row of the second set, then of the first, then by similarity: each sort keeps what those before it made
    order = rows[1].argsort(stable=True)
    order = order[rows[0][order].argsort(stable=True)]
    order = order[similarity[order].argsort(descending=True, stable=True)][:most]
    return rows[:, order], similarity[order]


def thumbnails(images: Tensor) -> Tensor:
    """Images as vectors without any model: gray, 16x16 pixels, without their mean, of length one.

    The cosine of two is the correlation of their pixels: brightness and contrast do not matter, nor does size.

    Args:
        images: ``(B, C, H, W)``, of any range.

    Returns:
        ``(B, 256)``; zeros for an image of one colour, which is like no other.

    Example:
        >>> image = torch.arange(64.0).view(1, 1, 8, 8)
        >>> pair = thumbnails(torch.cat([image, 5 - 2 * image]))
        >>> round((pair[0] @ pair[1]).item(), 4)
        -1.0
    """
    gray = images.float().mean(dim=1, keepdim=True)
    small = F.interpolate(gray, (_SIDE, _SIDE), mode="bilinear", antialias=True, align_corners=False).flatten(1)
    centred = small - small.mean(dim=1, keepdim=True)
    negligible = 1e-5 * small.abs().amax(dim=1, keepdim=True)  # what rounding leaves of one colour is no picture
    return F.normalize(centred.where(centred.abs() > negligible, 0))
