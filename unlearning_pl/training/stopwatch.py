"""Callback that measures the time of training and counts the images that its steps read."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from unlearning_pl.types import Sample


class Stopwatch(Callback):
    """Measure the seconds spent in training and the images that its steps read, over all starts of a resumed run.

    Lightning's ``Timer`` does the former, but a trainer with one ignores ``max_time`` and has no default for
    ``max_epochs``.

    Attributes:
        passes: Rows of the training steps of all streams and processes, an image once for each time that it is in a
            step, whatever its number of views; without what a method measures before the first step. None if it is not
            known: of batches of another kind, or of a run that an earlier version began.
    """

    def __init__(self) -> None:
        self._previous_seconds, self._started, self._stopped = 0.0, 0.0, 0.0
        self.passes: int | None = 0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Context whose seconds do not count."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._previous_seconds -= time.monotonic() - began

    @property
    def seconds(self) -> float:
        """Wall-clock seconds so far, with what a method measures before the first step, without the set-up."""
        if not self._started:
            return self._previous_seconds
        return self._previous_seconds + (self._stopped or time.monotonic()) - self._started

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._started, self._stopped = time.monotonic(), 0.0

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stopped = time.monotonic()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        rows = _count_rows(batch)
        # every process has the same number of rows
        self.passes = None if self.passes is None or rows is None else self.passes + trainer.world_size * rows

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "passes": self.passes}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._previous_seconds, self.passes = state_dict["seconds"], state_dict.get("passes")


def _count_rows(batch: Any) -> int | None:
    """Rows of all streams of a batch; None for one that is no mapping of samples."""
    samples = list(batch.values()) if isinstance(batch, Mapping) else [batch]
    counts = [len(sample.index) for sample in samples if isinstance(sample, Sample)]
    return sum(counts) if len(counts) == len(samples) else None
