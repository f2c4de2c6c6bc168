"""Progress of a long loop as log messages: how far it is, its rate, and the time left.

The messages are ordinary records of level INFO with the attribute ``transient``: the commands show them in place on a
terminal, and rarely in a log file (``commands/progress_lines.py``); without a handler they cost a comparison of times.
"""

import logging
import math
import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

_log = logging.getLogger(__name__)
_REFRESH = 0.5
"""Seconds between messages."""


class Progress:
    """Progress of a loop over a known number of rounds, each of which handles some images.

    Args:
        label: What the loop does.
        total: Number of rounds, at least 1; infinite if it is not known.
        unit: What a rate counts.
        clock: Returns seconds.
        done: Rounds that were done before, by a run that is resumed.

    Example:
        >>> seconds = iter([0.0, 10.0])
        >>> progress = Progress("Embedding", total=4, clock=lambda: next(seconds))
        >>> progress.rounds, progress.units = 1, 21000
        >>> progress.describe()
        'Embedding: 25 %, 2 100 images/s, 30 s left'
    """

    def __init__(
        self,
        label: str,
        total: float,
        unit: str = "images",
        clock: Callable[[], float] = time.monotonic,
        done: int = 0,
    ) -> None:
        self.label, self.total, self.unit, self._clock = label, max(1, total), unit, clock
        self.rounds, self.units, self._done = done, 0, done
        self.start = self._logged = clock()

    def advance(self, units: int = 1, rounds: int = 1) -> None:
        """Count what was done, and log a transient message twice a second at most, and with the last round.

        Args:
            units: Images, or what ``unit`` says.
            rounds: Rounds of the loop.
        """
        self.units, self.rounds = self.units + units, self.rounds + rounds
        is_last = self.rounds >= self.total
        if (now := self._clock()) - self._logged >= _REFRESH or is_last:
            self._logged = now
            _log.info(self.describe(), extra={"transient": True, "is_last": is_last})

    def finish_round(self) -> None:
        """Count a round that may take minutes, and log a message that stays."""
        self.rounds, self.units = self.rounds + 1, self.units + 1
        if self.rounds < self.total:
            _log.info(self.describe())

    def describe(self) -> str:
        """The progress as one sentence."""
        seconds = max(self._clock() - self.start, 1e-9)
        rate = format_rate(self.units / seconds, self.unit)
        if math.isinf(self.total):
            return f"{self.label}: {rate}"
        left = seconds * max(0, self.total - self.rounds) / max(self.rounds - self._done, 1)
        fraction = min(1.0, self.rounds / self.total)
        return f"{self.label}: {int(100 * fraction)} %, {rate}, {format_seconds(left)} left"


def format_rate(per_second: float, unit: str) -> str:
    """Format a rate by the second, or by the minute or the hour if it is slow.

    Example:
        >>> format_rate(2100.4, "images"), format_rate(0.05, "runs"), format_rate(0.001, "runs")
        ('2 100 images/s', '3 runs/min', '3.6 runs/h')
    """
    factor, span = next((row for row in ((1, "s"), (60, "min")) if per_second * row[0] >= 1), (3600, "h"))
    rate = per_second * factor
    number = f"{rate:,.0f}".replace(",", " ") if rate >= 9.5 else f"{rate:.2g}"
    return f"{number} {unit}/{span}"


def format_seconds(seconds: float) -> str:
    """Format a duration in its largest unit, hours with their minutes.

    Example:
        >>> format_seconds(8), format_seconds(100), format_seconds(7500)
        ('8 s', '2 min', '2 h 5 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class ProgressLog(Callback):
    """Log the progress of a prediction, or of a training without a bar, with images per second over all processes.

    Args:
        label: What the trainer does.
        epochs: Whether to say the epoch of a training, and the loss of the epoch before.
    """

    def __init__(self, label: str, epochs: bool = False) -> None:
        self.label, self.epochs = label, epochs
        self.progress = Progress(label, 1)

    @override
    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.progress = Progress(self.label, int(sum(trainer.num_predict_batches)))

    @override
    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.progress.advance(len(batch.index) * trainer.world_size)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        accumulated = trainer.accumulate_grad_batches
        epochs, steps = (
            value if value and value > 0 else math.inf for value in (trainer.max_epochs, trainer.max_steps)
        )
        total = min(trainer.num_training_batches * epochs, accumulated * steps)
        self.progress = Progress(self.label, total, done=accumulated * trainer.global_step)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.epochs:
            of_all = f" of {trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
            loss = trainer.callback_metrics.get("train/loss")
            ended = "" if loss is None else f", loss {float(loss):.4g}"
            self.progress.label = f"{self.label}, epoch {trainer.current_epoch + 1}{of_all}{ended}"

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        self.progress.advance(sum(len(rows.index) for rows in batch.values()) * trainer.world_size)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.epochs:
            shown = {name: trainer.callback_metrics.get(name) for name in ("train/loss", "validation/loss")}
            losses = "".join(f", {name} {float(value):.4g}" for name, value in shown.items() if value is not None)
            _log.info("%s: epoch %d ended%s", self.label, trainer.current_epoch, losses)
