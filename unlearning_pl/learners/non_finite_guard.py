"""Whether training is still among the numbers.

Letters: B rows of a batch.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_gather_object, async_all_reduce_max
from unlearning_pl.errors import DivergedError


class NonFiniteGuard:
    """Notes whether the losses of an epoch are finite, without making the device wait before it is asked."""

    def __init__(self) -> None:
        self._finite: Tensor | None = None  # of the epoch so far
        self._suspects: Tensor | None = None  # rows of the first batch whose loss was not

    def note(self, loss: Tensor, index: Tensor) -> None:
        """Look at the loss of a step, a scalar, and whose it was, ``(B,)``; B stays the same within an epoch."""
        finite = torch.isfinite(loss.detach())
        if self._finite is None or self._suspects is None:
            self._finite, self._suspects = finite, index
            return
        self._suspects = torch.where(self._finite & ~finite, index, self._suspects)
        self._finite = self._finite & finite

    def check(self, parameters: Iterable[Tensor], where: str, ids: Sequence[str]) -> None:
        """Stop all processes alike if a loss since the last call, or a weight, is not finite on any.

        Args:
            parameters: The weights.
            where: In which epoch it is.
            ids: Of all rows.

        Raises:
            DivergedError: It names the images of the first batch whose loss was not finite.
        """
        found = torch.stack([torch.isfinite(p.detach()).all() for p in parameters]).all()
        finite = found if self._finite is None else self._finite.to(found.device)
        sound, steps = torch.stack([found, finite]).tolist()
        if not async_all_reduce_max(not (sound and steps))():
            return
        mine = [] if steps or self._suspects is None else self._suspects.tolist()
        suspects = sorted({row for rows in all_gather_object(mine) for row in rows})
        named = f", first in the batch of {', '.join(ids[row] for row in suspects)}" if suspects and ids else ""
        raise DivergedError(
            f"Expected a finite loss and finite weights, got NaN or infinity in epoch {where}{named}. Lower the "
            "learning rate or the method's coefficients, or look at the images; an earlier checkpoint stays."
        )
