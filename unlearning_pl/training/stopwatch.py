"""Callback that measures the time of training."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override


class Stopwatch(Callback):
    """Measure the seconds spent in training, summed over all starts of a resumed run.

    Lightning's ``Timer`` does the same, but a trainer with one ignores ``max_time`` and has no default for
    ``max_epochs``.
    """

    def __init__(self) -> None:
        self._previous_seconds, self._started, self._stopped = 0.0, 0.0, 0.0

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
    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._previous_seconds = state_dict["seconds"]
