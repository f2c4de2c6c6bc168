"""Replaces many rows by the means of few groups of near rows, with the number of rows of each as its weight.

References:
    [1] Gersho & Gray, Vector Quantization and Signal Compression, Springer 1992 (section 12.4: splitting)
"""

import heapq
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def weighted_groups(rows: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Group near rows: as long as there are fewer groups than asked, split the one with the largest error [1].

    The error of a group is the sum of the squared distances to its mean along its widest coordinate; the group is split
    there, at the mean. Equal rows stay together, so that the result is exact if the rows have at most ``groups``
    distinct values. Deterministic, in O(N log N) for usual rows; on the CPU.

    Args:
        rows: ``(N, F)``, N >= 1.
        groups: Largest number of groups G, at least 1.

    Returns:
        Means ``(G, F)`` and numbers of rows ``(G,)`` of the groups, in the rows' dtype; the rows themselves with
        weights of 1 if N <= ``groups``.

    Raises:
        ValueError: No row, not two dimensions, no group, or rows that are not finite.

    Example:
        >>> weighted_groups(torch.tensor([[0.0], [9.0], [0.0], [11.0]]), groups=2)
        (tensor([[10.],
                [ 0.]]), tensor([2., 2.]))
    """
    if rows.ndim != 2 or not len(rows) or groups < 1:
        raise ValueError(
            f"Expected rows (N, F) and one group or more, got {tuple(rows.shape)} and {groups}. Give one row or more."
        )
    if not bool(rows.isfinite().all()):
        raise ValueError("Expected rows that are finite, got others. Leave out rows with nan or infinity.")
    if len(rows) <= groups:
        return rows, rows.new_ones(len(rows))
    order = count()  # of equal errors the older group is split first; tensors have no order
    values = rows.detach().double().cpu().numpy()  # thousands of small groups: torch takes three times as long
    heap = [(*_error(values), next(order), values)]
    while len(heap) < groups and heap[0][0] < 0:
        _, column, _, group = heapq.heappop(heap)
        low = _lower_part(group[:, column])
        for part in (group[low], group[~low]):
            heapq.heappush(heap, (*_error(part), next(order), part))
    parts = [group for *_, group in heap]
    means = torch.from_numpy(np.stack([part.mean(axis=0) for part in parts]))
    return means.to(rows), rows.new_tensor([len(part) for part in parts])


def _error(rows: NDArray[np.float64]) -> tuple[float, int]:
    """Minus the sum of squares along the widest coordinate, and that coordinate; the heap's first is the largest."""
    # Equal rows may have a mean that differs from them by rounding: their range, not their variance, is exactly 0.
    varying = np.maximum.reduce(rows) > np.minimum.reduce(rows)
    deviations = rows - np.add.reduce(rows) / len(rows)
    squares = np.where(varying, np.einsum("nf,nf->f", deviations, deviations), 0.0)
    column = int(squares.argmax())
    return -float(squares[column]), column


def _lower_part(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    low: NDArray[np.bool_] = values <= values.mean()
    return low if not low.all() else values < values.max()  # the mean of near values may round up to the largest
