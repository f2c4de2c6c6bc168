"""Detects non-finite losses and weights.

Letters: B rows of a stream.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_gather_object, async_all_reduce_max
from unlearning_pl.errors import DivergedError
from unlearning_pl.learners.epoch_terms import FOLDED


class NonFiniteGuard:
    """Records whether the losses of an epoch are finite, and synchronises with the device only in :meth:`check`.

    A step only keeps references; every :data:`~unlearning_pl.learners.epoch_terms.FOLDED` steps a few operations on the
    device examine them.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[Tensor, Sequence[Tensor]]] = []  # losses with their positions, not yet examined
        self._finite: Tensor | None = None  # whether all losses examined so far are finite
        self._suspects: Tensor | None = None  # positions of the first batch with a non-finite loss

    def update(self, loss: Tensor, index: Sequence[Tensor]) -> None:
        """Record the loss of a step, a scalar, and its positions by stream, ``(B,)`` each."""
        self._steps.append((loss.detach(), index))
        if len(self._steps) >= FOLDED:
            self._examine()

    def _examine(self) -> None:
        """Keep the positions of the first step whose loss is not finite; all steps of an epoch have as many."""
        if not self._steps:
            return
        finite = torch.isfinite(torch.stack([loss for loss, _ in self._steps]))
        rows = torch.stack([torch.cat(list(index)) for _, index in self._steps])
        suspects = rows[(~finite).int().argmax()]
        if self._finite is None or self._suspects is None:
            self._finite, self._suspects = finite.all(), suspects
        else:
            self._suspects = torch.where(self._finite, suspects, self._suspects)
            self._finite = self._finite & finite.all()
        self._steps = []

    def check(self, parameters: Iterable[Tensor], where: str, ids: Sequence[str]) -> None:
        """Raise on all processes if a recorded loss, or a weight, is not finite on any of them.

        Args:
            parameters: The weights.
            where: The current epoch.
            ids: Identifiers of all images of the pool, by position.

        Raises:
            DivergedError: With the images of the first batch whose loss was not finite.
        """
        self._examine()
        finite_weights = torch.stack([torch.isfinite(p.detach()).all() for p in parameters]).all()
        finite_losses = finite_weights if self._finite is None else self._finite.to(finite_weights.device)
        weights_ok, losses_ok = torch.stack([finite_weights, finite_losses]).tolist()
        if not async_all_reduce_max(not (weights_ok and losses_ok))():
            return
        local = [] if losses_ok or self._suspects is None else self._suspects.tolist()
        suspects = sorted({row for rows in all_gather_object(local) for row in rows})
        images = f", first in the batch of {', '.join(ids[row] for row in suspects)}" if suspects and ids else ""
        raise DivergedError(
            f"Expected a finite loss and finite weights, got NaN or infinity in epoch {where}{images}. Lower the "
            "learning rate or the method's coefficients, or inspect the images; an earlier checkpoint is kept."
        )
