"""Checks of the metrics that callbacks monitor, before the first step."""

import re

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

from unlearning_pl.errors import require, suggest_names
from unlearning_pl.learners import Learner
from unlearning_pl.methods import Unlearner

_CLOSED = ("unlearning_pl", "lightning", "pytorch_lightning")
"""Packages whose classes log no other metrics than those that are known here."""


def check_monitors(trainer: Trainer, model: Learner, validates: bool) -> None:
    """Check that the metrics that EarlyStopping and ModelCheckpoint monitor will exist.

    Any name passes if a user's own learner, method or callback takes part, which may log it.

    Args:
        trainer: The trainer, with the methods among its callbacks.
        model: The learner.
        validates: Whether there are held-out images.

    Raises:
        InputError: If nothing logs a monitored metric.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> trainer = Trainer(callbacks=[EarlyStopping("val_loss")], logger=False, enable_checkpointing=False)
        >>> check_monitors(trainer, SimCLR("resnet9_slim"), validates=True)
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a logged metric as monitor of EarlyStopping, got val_loss. ...
    """
    callbacks = list(trainer.callbacks)  # type: ignore[attr-defined]
    if not all(type(part).__module__.partition(".")[0] in _CLOSED for part in (model, *callbacks)):
        return
    known = _logged_metrics(model, validates)
    unlearns = any(isinstance(callback, Unlearner) for callback in callbacks)
    rate_name = "lr[-/].+" if model.optimizer_settings.has_groups else "lr([-/].*)?"  # lr/pg1 and lr/pg2 of two groups
    rates = any(isinstance(callback, LearningRateMonitor) for callback in callbacks)
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if not isinstance(callback, (EarlyStopping, ModelCheckpoint)) or monitor is None:
            continue
        name, counters = type(callback).__name__, ("epoch", "step") if isinstance(callback, ModelCheckpoint) else ()
        require(
            validates or not monitor.startswith("validation/"),
            f"Expected held-out images for monitor = {monitor} of {name}, got none. Add --data.validation 0.1.",
        )
        own_term = unlearns and monitor.startswith("train/")  # a method logs terms of its loss
        rate = rates and re.fullmatch(rate_name, monitor) is not None
        require(
            monitor in (*known, *counters) or own_term or rate,
            f"Expected a logged metric as monitor of {name}, got {monitor}. {suggest_names(monitor, known)}",
        )


def _logged_metrics(model: Learner, validates: bool) -> list[str]:
    names = ["loss", "accuracy"] if model.knows_classes else ["loss"]
    return ["train/loss", *(f"validation/{name}" for name in names if validates)]
