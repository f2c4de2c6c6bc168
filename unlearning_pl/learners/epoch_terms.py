"""Means of the loss terms of an epoch, summed on the device."""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares, rank, world_size

FOLDED = 64
"""Steps after which the values that have gathered are summed, all at once."""


class EpochTerms:
    """Row-weighted means of named scalars over the steps of an epoch.

    A step only keeps a reference to its value; every :data:`FOLDED` steps one operation on the device adds them up, and
    nothing waits for the device before :meth:`take`.

    Attributes:
        shown: Names of the terms that the progress bar shows.

    Example:
        >>> terms = EpochTerms()
        >>> terms.add("loss", torch.tensor(1.0), rows=3)
        >>> terms.add("loss", torch.tensor(5.0), rows=1)
        >>> terms.take(), terms.take()
        ({'loss': (tensor(2.), 4)}, {})
    """

    def __init__(self) -> None:
        self._steps: dict[str, list[tuple[Tensor, int]]] = defaultdict(list)  # not yet added to the sums
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self.shown: set[str] = set()

    def add(self, name: str, value: Tensor, rows: int, shown: bool = False) -> None:
        """Add a scalar that is a mean over ``rows`` rows of this step."""
        if shown:
            self.shown.add(name)
        steps = self._steps[name]
        steps.append((value.detach(), rows))
        if len(steps) >= FOLDED:
            self._fold(name)

    def take(self) -> dict[str, tuple[Tensor, int]]:
        """The mean of each term over this process's rows, with their number, and reset."""
        sums = self._all_sums()
        self._steps.clear()
        self._sums = {}
        return {name: (total / rows, rows) for name, (total, rows) in sums.items()}

    def state(self) -> dict[str, list[Any]]:
        """The sum of each term over the rows of all processes, with their number, for a checkpoint; a collective."""
        sums = {
            name: (total.clone(), torch.tensor(rows).to(total.device))
            for name, (total, rows) in self._all_sums().items()
        }
        all_reduce_shares(value for pair in sums.values() for value in pair)
        return {name: [float(total), int(rows)] for name, (total, rows) in sums.items()}

    def load(self, state: dict[str, list[Any]]) -> None:
        """Continue from the sums of a checkpoint, those of all processes: each one takes its share of the rows.

        All of them then have the same terms to log, which is a collective.
        """
        self._steps.clear()
        self._sums = {}
        for name, (total, rows) in state.items():
            own = rows // world_size() + (rank() < rows % world_size())
            self._sums[name] = torch.tensor(total * own / rows), own

    def _all_sums(self) -> dict[str, tuple[Tensor, int]]:
        for name in [name for name, steps in self._steps.items() if steps]:
            self._fold(name)
        return self._sums

    def _fold(self, name: str) -> None:
        values, rows = zip(*self._steps[name], strict=True)
        stacked = torch.stack(values).float()
        weights = torch.tensor(rows, dtype=torch.float32).to(stacked.device, non_blocking=True)
        total, count = self._sums.get(name, (stacked.new_zeros(()), 0))
        self._sums[name] = total.to(stacked.device) + stacked @ weights, count + sum(rows)
        self._steps[name] = []
