"""Means over held-out samples of all processes.

Letters: B rows of a batch.
"""

from collections.abc import Mapping

from torch import Tensor

from unlearning_pl.distributed.collectives import all_gather_object


class HeldOutMeans:
    """Row-weighted means of batch means over all processes; a batch that two processes evaluated counts once.

    Example:
        >>> import torch
        >>> means = HeldOutMeans()
        >>> means.add({"loss": torch.tensor(1.0)}, torch.tensor([4, 5, 6]))
        >>> means.add({"loss": torch.tensor(5.0)}, torch.tensor([7]))
        >>> means.take()
        {'loss': 2.0}
        >>> means.take()
        {}
    """

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, dict[str, Tensor]]] = []

    def add(self, values: Mapping[str, Tensor], index: Tensor) -> None:
        """Add the means of a batch, scalars by name, with the positions of its samples, ``(B,)``."""
        self._batches.append((index, {name: value.detach() for name, value in values.items()}))

    def take(self) -> dict[str, float]:
        """Compute the means by name, the same on every process, and reset."""
        local = [
            (int(index[0]), len(index), {name: float(value) for name, value in values.items()})
            for index, values in self._batches
        ]
        self._batches = []
        seen = {first: (rows, values) for batches in all_gather_object(local) for first, rows, values in batches}
        batches = [seen[first] for first in sorted(seen)]  # floating-point sums depend on the order
        total = sum(rows for rows, _ in batches)
        names = batches[0][1] if batches else {}
        return {name: sum(rows * values[name] for rows, values in batches) / total for name in names}
