"""What a source saw and cannot use: refused, or left out with a warning."""

from collections.abc import Sequence

from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError

_MAX_NAMED = 5  # names that a message lists


def report_left_out(faults: Sequence[str], total: int, on_error: OnError) -> None:
    """Raise an error that counts and names what cannot be used, or warn that it is left out.

    Args:
        faults: Name and fault of each image, such as ``a.png (its label is missing)``.
        total: Number of all images.
        on_error: ``raise`` or ``skip``, the option that corrupt images have.

    Raises:
        InputError: If there is a fault and ``on_error`` is ``raise``.

    Example:
        >>> report_left_out(["a.png (its label is missing)"], 9, "raise")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected images that can be used, got 1 of 9 that cannot: a.png (its label ...
    """
    if not faults:
        return
    require(
        on_error == "skip",
        f"Expected images that can be used, got {len(faults)} of {total} that cannot: {shorten_list(faults)}. "
        "Correct or remove them, or leave them out with on_error: skip.",
    )
    rank_zero_warn(f"{len(faults)} of {total} images cannot be used and are left out: {shorten_list(faults)}.")


def shorten_list(names: Sequence[str]) -> str:
    """The first names of a list, and the number of the others.

    Example:
        >>> shorten_list(["a", "b", "c", "d", "e", "f", "g"])
        'a, b, c, d, e and 2 others'
    """
    rest = f" and {len(names) - _MAX_NAMED} others" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + rest
