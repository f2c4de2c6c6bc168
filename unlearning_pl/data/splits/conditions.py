"""The small language of ``forget.where``: comparisons of what is known of an image, joined by ``and``.

    owner == 17
    camera in [front, "left door"] and year < 2020

Nothing in it is ever run: a comparison is a column, one of == != < <= > >= or ``in``, and a value or a list of values.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

from unlearning_pl.errors import InputError, nearest
from unlearning_pl.images.image_set import ImageSet

_TOKEN = re.compile(r"""\s*(?P<token>"[^"]*"|'[^']*'|[=!<>]=|[<>\[\],]|[^\s"'=!<>\[\](),]+)\s*""")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MARKS = {*_SIGNS, "[", "]", ",", "and", "in"}


class Comparison(NamedTuple):
    """One comparison of a column with a value, or with several for ``in``.

    Attributes:
        column: Its name.
        sign: One of == != < <= > >= in.
        values: As they were written, without quotes.
    """

    column: str
    sign: str
    values: tuple[str, ...]


def conditions(text: str) -> tuple[Comparison, ...]:
    """Read conditions, all of which an image must meet.

    Args:
        text: Comparisons joined by ``and``; names and values with or without quotes, which they need where they have
            spaces, signs or brackets in them, or are ``and`` or ``in``.

    Raises:
        InputError: If it is anything else.

    Example:
        >>> conditions("owner == 17 and class in [cat, 'big dog']")[1]
        Comparison(column='class', sign='in', values=('cat', 'big dog'))
    """
    tokens = _tokens(text)
    found: list[Comparison] = []
    while not found or tokens:
        if found:
            _take(tokens, text, "and")
        column, sign = _name(tokens, text), _take(tokens, text, *_SIGNS, "in")
        found.append(Comparison(column, sign, _listed(tokens, text) if sign == "in" else (_name(tokens, text),)))
    return tuple(found)


def _tokens(text: str) -> list[str]:
    tokens, position = [], 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text, text[position:].strip())
        tokens.append(match["token"])
        position = match.end()
    return tokens


def _take(tokens: list[str], text: str, *allowed: str) -> str:
    if not tokens or tokens[0] not in allowed:
        raise _unreadable(text, " ".join(tokens))
    return tokens.pop(0)


def _name(tokens: list[str], text: str) -> str:
    if not tokens or tokens[0] in _MARKS:
        raise _unreadable(text, " ".join(tokens))
    token = tokens.pop(0)
    return token[1:-1] if token[0] in "\"'" else token


def _listed(tokens: list[str], text: str) -> tuple[str, ...]:
    _take(tokens, text, "[")
    values = [_name(tokens, text)]
    while _take(tokens, text, ",", "]") == ",":
        values.append(_name(tokens, text))
    return tuple(values)


def _unreadable(text: str, rest: str) -> InputError:
    where = f"not understood from {rest!r} on" if rest else "which ends too early"
    return InputError(
        f"Expected comparisons joined by and in forget.where, got {text!r}, {where}. "
        'Write them like: owner == 17 and class in [cat, "big dog"]; the signs are == != < <= > >= in.'
    )


def columns(images: ImageSet) -> dict[str, Sequence[Any]]:
    """What conditions can ask of each image: the metadata, its ``id``, and its ``class`` where there are classes.

    Classes go by their names; as numbers where all the names are numbers. A column ``id`` or ``class`` of the metadata
    gives way to these.

    Example:
        >>> import torch
        >>> pixels = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
        >>> columns(ImageSet(pixels, torch.tensor([1, 0]), ["a", "b"], ["cat", "dog"], metadata={"owner": [17, 3]}))
        {'owner': [17, 3], 'id': PackedStrings(['a', 'b']), 'class': ['dog', 'cat']}
    """
    known: dict[str, Sequence[Any]] = {**images.metadata, "id": images.ids}
    if names := images.class_names:
        values = [int(name) for name in names] if all(_NUMBER.fullmatch(n) and n.isdecimal() for n in names) else names
        known["class"] = [values[target] for target in images.targets.tolist()]
    return known


def meets(comparison: Comparison, known: Mapping[str, Sequence[Any]]) -> list[bool]:
    """Whether each image meets a comparison; where its value is missing (None, NaN, empty text) it meets none.

    Numbers are compared as numbers where all values of the column are, otherwise text with text.

    Args:
        comparison: One of :func:`conditions`.
        known: Columns by name, as :func:`columns` gives them.

    Raises:
        InputError: If there is no such column, or a number is compared with text.

    Example:
        >>> meets(Comparison("owner", "<", ("9",)), {"owner": [17, 3, None]})
        [False, True, False]
    """
    if comparison.column not in known:
        listed = f"There are {', '.join(known)}."
        near = nearest(comparison.column, known, listed)
        more = "" if near == listed else f" {listed}"
        raise InputError(f"Expected a column in forget.where, got {comparison.column!r}. {near}{more}")
    column = [None if value is None or value != value or value == "" else value for value in known[comparison.column]]
    present = [value for value in column if value is not None]
    if all(isinstance(value, Real) for value in present):
        values: list[Any] = [_number(value, comparison, present) for value in comparison.values]
    else:
        column, values = [None if value is None else str(value) for value in column], [*comparison.values]
    if comparison.sign == "in":
        return [value is not None and value in values for value in column]
    compare = _SIGNS[comparison.sign]
    return [value is not None and compare(value, values[0]) for value in column]


def _number(text: str, comparison: Comparison, present: Sequence[Any]) -> int | float:
    truth = {"true": 1, "false": 0}.get(text.lower()) if all(isinstance(value, bool) for value in present) else None
    if truth is not None:
        return truth
    if _NUMBER.fullmatch(text) is None:
        raise InputError(
            f"Expected a number to compare with {comparison.column} in forget.where, got {text!r}. "
            f"Its values look like {', '.join(map(str, [*dict.fromkeys(present)][:3])) or 'nothing at all'}."
        )
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
