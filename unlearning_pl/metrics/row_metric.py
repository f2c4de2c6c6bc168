"""Base class of the metrics: rows accumulated over batches and processes.

Letters: B rows of a batch, N rows of all batches, D columns.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from unlearning_pl.errors import require


class RowMetric(Metric):
    """Base class of metrics that accumulate rows by name and gather them from all processes in ``compute``.

    A process may have no row of a name. torchmetrics gathers tensors with the same number of dimensions on every
    process, and an empty state has one dimension: rows of several columns are stored flat, and their width in a state
    of its own.

    Args:
        options: Keyword arguments of ``torchmetrics.Metric``.
    """

    names: ClassVar[tuple[str, ...]]
    is_differentiable = False
    full_state_update = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in self.names:
            self.add_state(name, [], dist_reduce_fx="cat")
            self.add_state(f"{name}_columns", torch.tensor(0), dist_reduce_fx="max")

    def keep(self, name: str, rows: Tensor) -> None:
        """Add rows ``(B,)``, or ``(B, D)`` with the same D each time.

        Raises:
            InputError: The name is not one of the metric's, or earlier rows had another width.
        """
        require(name in self.names, f"Expected {' or '.join(self.names)}, got {name!r}. Give the batch's split.")
        if rows.ndim > 1:
            columns = int(getattr(self, f"{name}_columns"))
            require(
                columns in (0, rows.shape[1]),
                f"Expected rows of {columns} columns as before, got {rows.shape[1]}. Give batches of one width.",
            )
            setattr(self, f"{name}_columns", torch.tensor(rows.shape[1], device=self.device))
        getattr(self, name).append(rows.detach().to(self.device, self.dtype).flatten())

    def rows(self, name: str) -> Tensor:
        """All rows of a name, of all batches so far, ``(N,)`` or ``(N, D)``.

        Raises:
            InputError: There are no rows of that name.
        """
        batches, columns = getattr(self, name), int(getattr(self, f"{name}_columns"))
        rows = dim_zero_cat(batches) if len(batches) else torch.zeros(0)
        require(len(rows) > 0, f"Expected rows of {name}, got none. Call update with a batch of them.")
        return rows.view(-1, columns) if columns else rows
