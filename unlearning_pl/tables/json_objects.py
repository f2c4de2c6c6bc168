"""JSON objects that describe images: beside an image of a shard, or one a line of a table."""

import json
from collections.abc import Sequence
from typing import Any

_SCALARS = (str, int, float, bool)
_INT64 = range(-(2**63), 2**63)


def parse_object(text: str) -> dict[str, Any]:
    """Parse one JSON object.

    Raises:
        ValueError: If the text is no such object, has a key twice, or is too deep or too long to parse; the message is
            the reason, in one line.

    Example:
        >>> parse_object('{"owner": 17}')
        {'owner': 17}
        >>> parse_object("[" * 100_000)
        Traceback (most recent call last):
        ...
        ValueError: it is nested too deeply
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique_keys)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    return value


def plain_column(values: Sequence[Any]) -> list[Any] | None:
    """A column of metadata of the values of one key: numbers, booleans or text, None if missing.

    Values of several types, and whole numbers of more than 64 bits, become text, as in a text table.

    Returns:
        The column; None if the values are lists or objects.

    Example:
        >>> plain_column([1, None, 2.5]), plain_column([1, "x"]), plain_column([[1]])
        ([1, None, 2.5], ['1', 'x'], None)
    """
    values = [None if value != value else value for value in values]  # NaN is a missing value
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    if not kinds <= {*_SCALARS}:
        return None
    if len(kinds) <= 1 and all(type(value) is not int or value in _INT64 for value in values):
        return values
    return [None if value is None else str(value) for value in values]


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"it has a key twice in {', '.join(key for key, _ in pairs)[:60]}")
    return found
