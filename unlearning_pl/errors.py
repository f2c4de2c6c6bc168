"""The one error that a user's input raises, and the words that help."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something that the user gave cannot be used.

    The message is one line that names the field, the value and the remedy; the commands print it without a
    traceback and exit with code 2.

    Example:
        >>> raise InputError("Expected alpha >= 0, got -1. Choose a coefficient that is not negative.")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected alpha >= 0, got -1. Choose a coefficient that is not negative.
    """


def require(condition: bool, message: str) -> None:
    """Raise :class:`InputError` with ``message`` unless ``condition`` holds.

    Example:
        >>> require(1 < 2, "never seen")
    """
    if not condition:
        raise InputError(message)


class DivergedError(RuntimeError):
    """Training left the numbers: the loss became NaN or infinite."""


class UnfinishedError(RuntimeError):
    """Part of a job failed; the rest of it is done."""


class StorageError(RuntimeError):
    """What a job wrote to can no longer be written: a full disk, a folder that vanished."""


class PreemptedError(RuntimeError):
    """A run was asked to end, and has; a checkpoint of its last step is kept.

    Args:
        signal: What it was asked by.
        outcome: What becomes of it, in a few words.
    """

    def __init__(self, signal: int, outcome: str) -> None:
        super().__init__(outcome)
        self.signal = signal


def nearest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The sentence that helps with a name that is not known: the near misses, else all names.

    Capitals, dashes and underscores are not compared.

    Args:
        name: What was given.
        known: What could have been meant.
        otherwise: The sentence in place of a list of all names, where they are too many, or none.

    Example:
        >>> nearest("fine_tun", ["FineTune", "NegGrad"])
        'Did you mean FineTune?'
        >>> nearest("x", ["FineTune", "NegGrad"])
        'Choose from FineTune, NegGrad.'
    """
    alike = {one: difflib.SequenceMatcher(None, _bare(one), _bare(name)).ratio() for one in known}
    best = max(alike.values(), default=0.0)
    if best >= 0.6:
        close = sorted((one for one in alike if alike[one] > best - 0.1), key=lambda one: -alike[one])
        return f"Did you mean {' or '.join(close[:3])}?"
    return otherwise or f"Choose from {', '.join(alike)}."


def _bare(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
