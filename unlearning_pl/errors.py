"""The one error that a user's input raises."""


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
