"""The curve of a relearning: what a model shows of the forget images after each epoch of a further training."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class RelearningCurve:
    """Figures on the forget images after each epoch of a training, and before the first.

    Attributes:
        epochs: Epochs of training so far, from 0; shorter than asked if the training diverged.
        accuracy: Forget accuracy in percent, one value an epoch; empty without classes.
        auc: Membership AUC of forget against test, in [0, 1].
        loss: Mean loss of the forget images.

    Example:
        >>> curve = RelearningCurve((0, 1), (50.0, 100.0), (0.5, 0.75), (2.0, 0.5))
        >>> curve.last("accuracy"), curve.change("auc"), curve.change("loss")
        (100.0, 0.25, -1.5)
    """

    epochs: tuple[int, ...]
    accuracy: tuple[float, ...]
    auc: tuple[float, ...]
    loss: tuple[float, ...]

    def last(self, figure: Literal["accuracy", "auc", "loss"]) -> float | None:
        """The value after the last epoch; None if it is not defined."""
        values: tuple[float, ...] = getattr(self, figure)
        return values[-1] if values else None

    def change(self, figure: Literal["accuracy", "auc", "loss"]) -> float | None:
        """The value after the last epoch minus that before the first; None if it is not defined."""
        values: tuple[float, ...] = getattr(self, figure)
        return values[-1] - values[0] if values else None
