"""Labels of images, as files write them, and the classes that they mean."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from unlearning_pl.errors import require
from unlearning_pl.tables.arrow_types import is_text, is_time, plain_type
from unlearning_pl.unicode_names import normalize_name

Label = int | str | None
"""Number or name of a class; None if it is missing."""

_NUMBER, _FLOAT = re.compile(r"0|-?[1-9][0-9]*"), re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)")
_MISSING = frozenset(("nan", "null", "none", "na", "n/a", "<na>"))
_TOO_LARGE = 2**63  # in place of numbers with so many digits that Python would not convert them


def labels_of_texts(texts: Sequence[str | None], where: str, others: Sequence[str | None] = ()) -> list[Label]:
    """Labels of texts without a type, as in CSV: numbers if all are whole numbers as programs write them, else names.

    Surrounding spaces do not count, and a text of nothing else is a missing label. Among numbers, so are words
    such as nan and null; among names, they are names. ``others`` are those of the other part of the data set, so that
    both parts have numbers or names.

    Raises:
        InputError: If all are numbers, and some have a decimal point.

    Example:
        >>> labels_of_texts([" 7", "10", "nan"], "a.csv"), labels_of_texts(["007", "10", "nan", " "], "a.csv")
        ([7, 10, None], ['007', '10', 'nan', None])
    """
    labels = [normalize_name((text or "").strip()) or None for text in (*texts, *others)]
    known = {label for label in labels if label is not None and label.casefold() not in _MISSING}
    point = next((label for label in labels if label in known and _FLOAT.fullmatch(label or "")), None)
    require(
        point is None or not all(_FLOAT.fullmatch(label) or is_number(label) for label in known),
        f"Expected names or whole numbers of classes in {where}, got {point}. Write names, or numbers without a point.",
    )
    labels = labels[: len(texts)]
    if not known or not all(map(is_number, known)):
        return [*labels]
    return [_number(label) if label in known else None for label in labels]


def is_number(text: str) -> bool:
    """Whether a text is a whole number as programs write it, without zeros in front.

    Example:
        >>> is_number("17"), is_number("017")
        (True, False)
    """
    return bool(_NUMBER.fullmatch(text))


def _number(text: str | None) -> int:
    return int(text or "") if len(text or "") < 20 else _TOO_LARGE


def is_label_type(kind: Any) -> bool:
    """Whether a column of this Arrow type can hold labels: whole numbers, text, booleans or dates, or nothing at all.

    Example:
        >>> is_label_type(pa.int8()), is_label_type(pa.bool_()), is_label_type(pa.float32())
        (True, True, False)
    """
    types = pa.types
    tests = (types.is_integer, types.is_boolean, is_time, types.is_null)
    return is_text(kind) or any(test(plain_type(kind)) for test in tests)


def labels_of_column(column: Any) -> list[Label]:
    """Labels of a typed column: numbers stay numbers, all others are names, without surrounding spaces.

    Example:
        >>> labels_of_column(pa.chunked_array([["7", " a ", None]])), labels_of_column(pa.chunked_array([[True]]))
        (['7', 'a', None], ['True'])
    """
    if pa.types.is_temporal(plain_type(column.type)):
        column = column.cast(pa.string())
    values = column.to_pylist()
    if pa.types.is_integer(plain_type(column.type)):
        return list(values)
    return [None if value is None else normalize_name(str(value).strip()) or None for value in values]


def fault_of_label(label: Label, names: Mapping[str, int] | None) -> str:
    """Why a label means no class, empty if it means one.

    Args:
        label: The label.
        names: Number of each class by name, if classes are given.

    Example:
        >>> fault_of_label("cow", {"cat": 0, "dog": 1}), fault_of_label(1, {"cat": 0, "dog": 1})
        ("label 'cow' is none of the 2 classes", '')
    """
    if label is None or label == "":
        return "its label is missing"
    if isinstance(label, int):
        if not 0 <= label < _TOO_LARGE:
            return "its label is negative" if label < 0 else "its label is too large a number"
        return "" if names is None or label < len(names) else f"label {label} is not from 0 to {len(names) - 1}"
    return "" if names is None or label in names else f"label {label[:60]!r} is none of the {len(names)} classes"
