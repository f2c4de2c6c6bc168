"""Progress bar that is refreshed by time and not by step."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from typing_extensions import override

REFRESH = 0.5
"""Seconds between two refreshes."""


class TimedProgressBar(RichProgressBar):
    """Lightning's Rich progress bar, refreshed every :data:`REFRESH` seconds and with the last batch of an epoch.

    Lightning's own reads all metrics of the bar after each batch, which waits for the device, and redraws it up to a
    hundred times a second.
    """

    def __init__(self) -> None:
        super().__init__(refresh_rate=10)  # times a second that its thread looks for something to draw
        self._refreshed = 0.0

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._is_due(batch_idx, self.total_train_batches):
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def _is_due(self, batch_idx: int, batches: float) -> bool:
        now = time.monotonic()
        is_due = now - self._refreshed >= REFRESH or batch_idx + 1 >= batches
        if is_due:
            self._refreshed = now
        return is_due
