"""How long training took."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override


class Stopwatch(Callback):
    """Seconds spent in training, over all starts of a resumed run.

    Lightning's ``Timer`` does the same, but a trainer with one ignores ``max_time`` and has no default of epochs.
    """

    def __init__(self) -> None:
        self._before, self._started, self._stopped = 0.0, 0.0, 0.0

    @property
    def seconds(self) -> float:
        """Wall-clock seconds so far; what a method measures before the first step counts, set-up does not."""
        return self._before + (self._stopped or time.monotonic()) - self._started if self._started else self._before

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
        self._before = state_dict["seconds"]
