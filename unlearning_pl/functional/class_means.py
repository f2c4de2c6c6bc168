"""Means of rows by class, from sums that may be added up over batches and processes.

Letters: B rows of a batch, D width of a row, C classes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.functional.precision import full_precision


@full_precision
def sums_by_class(rows: Tensor, classes: Tensor, count: int) -> Tensor:
    """Sums of the rows of each class, with their number in the last column.

    Args:
        rows: ``(B, D)``.
        classes: Class of each row, ``(B,)`` int64, in [0, C).
        count: C.

    Returns:
        ``(C, D + 1)``.

    Example:
        >>> sums_by_class(torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([0, 0, 2]), count=3)
        tensor([[3., 2.],
                [0., 0.],
                [5., 1.]])
    """
    members = F.one_hot(classes, count).to(rows.dtype)
    return members.T @ torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1)


def means_by_class(sums: Tensor) -> Tensor:
    """Mean row of each class; a class without rows gets the mean of all rows.

    Args:
        sums: Result of :func:`sums_by_class`, or a sum of such results, ``(C, D + 1)``; not all classes are empty.

    Returns:
        ``(C, D)``.

    Example:
        >>> means_by_class(torch.tensor([[3.0, 2.0], [0.0, 0.0], [6.0, 1.0]]))
        tensor([[1.5000],
                [3.0000],
                [6.0000]])
    """
    filled = torch.where(sums[:, -1:] > 0, sums, sums.sum(0))
    return filled[:, :-1] / filled[:, -1:]
