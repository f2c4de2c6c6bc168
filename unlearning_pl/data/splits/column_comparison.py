"""Comparison of one column of the images' metadata with values as they are written in a condition."""

import re
from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from unlearning_pl.errors import InputError, quote, require, shorten

NAMES = ("id", "class")
"""Columns whose cells are names: equal only if their text is."""
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMPARE = {"==": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def is_number(text: str) -> bool:
    """Whether Python would read a text as a number, so that a name could be mistaken for one.

    Example:
        >>> [is_number(text) for text in ("010", "1e3", "0x10", "nan", "cat")]
        [True, True, True, True, False]
    """
    for parse in (float, lambda word: int(word, 0)):
        with suppress(ValueError):
            parse(text)
            return True
    return False


def compare_column(
    column: str, operator: str, values: Sequence[str], quoted: Sequence[bool], cells: Sequence[Any]
) -> list[bool]:
    """Compare each cell of a column; a missing value (None, NaN, empty text) meets no comparison.

    A column of numbers is compared as numbers. Text is compared as text, but an order comparison with a number that is
    not quoted needs cells that are all written as numbers, and compares these.

    Args:
        column: Name of the column, for messages.
        operator: One of == != < <= > >= in, not in.
        values: The values as written, without quotes; one, or several for ``in`` and ``not in``.
        quoted: Whether each value was quoted.
        cells: The column.

    Raises:
        InputError: If a number is compared with cells that are none, or is written otherwise than in an equal cell.

    Example:
        >>> compare_column("age", "<", ["20"], [False], ["7", "07.5", None, "100"])
        [True, True, False, False]
        >>> compare_column("age", "<", ["20"], [True], ["7", "100"])
        [False, True]
    """
    kept = [None if value is None or value != value or value == "" else value for value in cells]
    present = [value for value in kept if value is not None]
    compared: list[Any] = [*values]
    if all(isinstance(value, Real) for value in present):
        compared = [_value(value, column, present) for value in values]
    elif operator in ("<", "<=", ">", ">=") and not quoted[0] and is_number(values[0]):
        _require_numbers(column, operator, values[0], present)
        compared, kept = (
            [_value(values[0], column, present)],
            [None if cell is None else _number(cell) for cell in kept],
        )
    else:
        bare = [value for value, is_quoted in zip(values, quoted, strict=True) if not is_quoted]
        _check_spelling(column, bare, present)
        kept = [None if value is None else str(value) for value in kept]
    if operator in _COMPARE:
        compare = _COMPARE[operator]
        return [value is not None and bool(compare(value, compared[0])) for value in kept]
    return [value is not None and (value in compared) == (operator == "in") for value in kept]


def _require_numbers(column: str, operator: str, value: str, present: Sequence[Any]) -> None:
    other = [cell for cell in present if _number(cell) is None]
    shown = ", ".join(quote(cell, 60) for cell in [*dict.fromkeys(map(str, other))][:3])
    name, number = shorten(column, 60), shorten(value, 60)
    require(
        not other,
        f"Expected numbers to compare {name} {operator} {number} in forget.where, got {len(other)} of {len(present)} "
        f"cells that are none, such as {shown}. Correct or empty these cells, or quote '{number}' to compare text.",
    )


def _check_spelling(column: str, bare: Sequence[str], present: Sequence[Any]) -> None:
    """Refuse a bare number, or true or false, if a cell has the same value in another spelling.

    Text equality would silently miss that cell. A name, in contrast, is its spelling.
    """
    texts = [] if column in NAMES else [*dict.fromkeys(map(str, present))]
    for value in bare:
        number, truth = _number(value), value.lower() if value.lower() in ("true", "false") else None
        other = next((text for text in texts if text != value and _is_same(text, number, truth)), None)
        require(
            other is None,
            f"Expected {shorten(value, 60)} as it is written in the column {shorten(column, 60)}, got cells such as "
            f"{quote(other, 60)}, which is text. Quote what to choose in forget.where, in a list if it is several.",
        )


def _is_same(text: str, number: int | float | None, truth: str | None) -> bool:
    return (number is not None and _number(text) == number) or (truth is not None and text.lower() == truth)


def _number(cell: Any) -> int | float | None:
    """A cell as a number; None if it is none: text, a boolean among text, or too long."""
    if isinstance(cell, Real) and not isinstance(cell, bool):
        return cell  # type: ignore[return-value]
    text = str(cell)
    if _NUMBER.fullmatch(text) is None:
        return None
    with suppress(ValueError):  # Python's limit on digits
        return int(text) if re.fullmatch(r"[+-]?[0-9]+", text) else float(text)
    return None


def _value(text: str, column: str, present: Sequence[Any]) -> int | float:
    truth = {"true": 1, "false": 0}.get(text.lower()) if all(isinstance(value, bool) for value in present) else None
    number = _number(text) if truth is None else truth
    if number is None:
        shown = ", ".join(map(str, [*dict.fromkeys(present)][:3])) or "nothing at all"
        raise InputError(
            f"Expected a number to compare with {shorten(column, 60)} in forget.where, got {quote(text)}. "
            f"Its values look like {shown}."
        )
    return number
