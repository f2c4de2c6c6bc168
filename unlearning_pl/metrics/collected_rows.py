"""What the metrics share: rows that come batch by batch, on any number of processes.

Letters: B rows of a batch, N rows of all batches, D columns.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from unlearning_pl.errors import require


class Collected(Metric):
    """Rows by name, from all processes when a value is computed; the metrics below differ in what they do with them.

    A process may have no row of a name. torchmetrics gathers what has the same number of dimensions everywhere, and
    where there is nothing it has one: rows of several columns are kept flat, and their width beside them.

    Args:
        options: Of ``torchmetrics.Metric``.
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
            InputError: The name is not one of those collected, or earlier rows had another width.
        """
        require(name in self.names, f"Expected {' or '.join(self.names)}, got {name!r}. Say what the batch holds.")
        if rows.ndim > 1:
            columns = int(getattr(self, f"{name}_columns"))
            require(
                columns in (0, rows.shape[1]),
                f"Expected rows of {columns} columns as before, got {rows.shape[1]}. Give batches of one width.",
            )
            setattr(self, f"{name}_columns", torch.tensor(rows.shape[1], device=self.device))
        getattr(self, name).append(rows.detach().to(self.device, self.dtype).flatten())

    def rows(self, name: str) -> Tensor:
        """All rows of a name, ``(N,)`` or ``(N, D)``.

        Raises:
            InputError: There are none.
        """
        kept, columns = getattr(self, name), int(getattr(self, f"{name}_columns"))
        found = dim_zero_cat(kept) if len(kept) else torch.zeros(0)
        require(len(found) > 0, f"Expected rows of {name}, got none. Call update with a batch of them.")
        return found.view(-1, columns) if columns else found
