"""Comparisons of columns that are not what they seem, against Python's own, or refused."""

import math
import operator
import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.data import ForgetRequest, ImageSet, make_splits
from unlearning_pl.data.splits.column_comparison import is_number
from unlearning_pl.data.splits.condition_parser import evaluate_condition, parse_condition
from unlearning_pl.errors import InputError

QUICK = settings(max_examples=300, derandomize=True, deadline=None, database=None)
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
WRITTEN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
ODD = [
    "unknown",
    "",
    "07",
    "7",
    "7.0",
    "-3",
    "+3",
    ".5",
    "1e1",
    "1_0",
    "0x10",
    " 7",
    "7 ",
    "\u0667",
    "nan",
    "inf",
    "True",
]
ODD += ["\uff17", "true", "2024-05-01", "20%", "1,5", "9" * 30, "9" * 5000, "1e400", "null", "None"]
CELLS = st.one_of(
    st.sampled_from(ODD),
    st.none(),
    st.integers(-30, 30),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_infinity=False),
    st.floats(-99, 99).map(lambda value: f"{value:.2f}"),
    st.booleans(),
    st.text(max_size=3),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
)
COLUMNS = st.lists(CELLS, min_size=1, max_size=6) | st.lists(
    st.integers(-30, 30).map(str) | st.sampled_from(["07", "7.0", ".5", "1e1", "", "-3"]) | st.none(), min_size=1
)


def met(text: str, known: dict[str, list[Any]]) -> list[bool] | None:
    message = ""
    try:
        return evaluate_condition(parse_condition(text), known)
    except InputError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    assert len(message) < 800
    return None


def is_missing(cell: Any) -> bool:
    return cell is None or cell == "" or cell != cell


def as_number(cell: Any) -> Fraction | float | None:
    """The number that a cell is written as, by Python's own exact arithmetic; None if it is none."""
    if isinstance(cell, int | float):
        return cell
    if len(str(cell)) > 4000 or WRITTEN.fullmatch(str(cell)) is None:
        return None
    return float(str(cell)) if math.isinf(float(str(cell))) else Fraction(str(cell))


def expected_order(cells: list[Any], sign: str, value: str) -> list[bool] | None:
    """What an order comparison means; None if it has to be refused."""
    present = [cell for cell in cells if not is_missing(cell)]
    numeric = all(isinstance(cell, int | float) for cell in present)
    numbers = [None if isinstance(cell, bool) and not numeric else as_number(cell) for cell in present]
    if any(number is None for number in numbers):
        return None
    limit = float(value)
    values = iter(numbers)
    return [False if is_missing(cell) else ORDER[sign](float(next(values) or 0), limit) for cell in cells]


@QUICK
@given(cells=COLUMNS, sign=st.sampled_from(sorted(ORDER)), value=st.sampled_from(["20", "7", "-3", "0.5", "07", "1e1"]))
def test_an_order_comparison_is_of_numbers_or_refused(cells: list[Any], sign: str, value: str) -> None:
    assert met(f"age {sign} {value}", {"age": cells}) == expected_order(cells, sign, value)


@QUICK
@given(cells=COLUMNS, value=st.sampled_from(["7", "07", "7.0", "-3", "0.5", "1e1", "true", "unknown", "2024-05-01"]))
def test_equality_misses_no_cell_with_the_same_value(cells: list[Any], value: str) -> None:
    found = met(f"age == {value}", {"age": cells})
    if found is None:
        return
    for cell, chosen in zip(cells, found, strict=True):
        same_number = WRITTEN.fullmatch(value) and not is_missing(cell) and as_number(cell) == as_number(value)
        is_same = not is_missing(cell) and (str(cell) == value or str(cell).lower() == value == "true" or same_number)
        assert chosen == bool(is_same)
    assert met(f"age != {value}", {"age": cells}) == [
        not is_missing(cell) and not chosen for cell, chosen in zip(cells, found, strict=True)
    ]
    assert met(f"age in [{value}]", {"age": cells}) == found


@QUICK
@given(cells=st.lists(st.sampled_from(ODD) | st.text(max_size=3), min_size=1), sign=st.sampled_from(sorted(ORDER)))
def test_a_quoted_value_is_text_in_a_column_of_text(cells: list[str], sign: str) -> None:
    assert met(f"age {sign} '20'", {"age": cells}) == [cell != "" and ORDER[sign](cell, "20") for cell in cells]


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("age < 20", ["7", "19", "100", "unknown", None], None),
        ("age < '20'", ["7", "19", "100", "unknown"], [1, 2]),
        ("age < 20", ["7", "019", "100", "", None], [0, 1]),
        ("age < 20", [7, True, "x"], None),
        ("age < 20", [7, True, 30], [0, 1]),  # as Python compares
        ("age < 20", [Decimal("7.50"), Decimal("20.5"), None], [0]),
        ("age <= inf", ["7", "8"], None),
        ("age < 1_000", ["7", "x"], None),
        ("day >= 2020", ["2019-12-31", "2021-01-01"], None),
        ("day >= 2020-01-01", ["2019-12-31", "2021-01-01"], [1]),
        ("day >= '2020'", ["2019-12-31", "2021-01-01"], [1]),
        ("age == 7", ["7", "unknown"], [0]),
        ("age == 7", ["7", "7.0", "unknown"], None),
        ("age == '7'", ["7", "7.0", "unknown"], [0]),
        ("age in ['7', 7.0]", ["7", "7.0", "unknown"], None),
        ("age in ['7', '7.0']", ["7", "7.0", "unknown"], [0, 1]),
        ("age == 7", ["07", "unknown"], None),
        ("age == 7", [7.0, "unknown"], None),
        ("seen == true", ["True", "False", "?"], None),
        ("seen == True", ["True", "False", "?"], [0]),
        ("age == " + "9" * 5000, ["9" * 5000, "x"], [0]),
        ("age < " + "9" * 5000, [7, 8], None),
        ("age < " + "9" * 5000, ["7", "8"], None),
        ("age == " + "9" * 5000, [7, 8], None),
    ],
)
def test_what_a_comparison_means(text: str, cells: list[Any], expected: list[int] | None) -> None:
    found = met(text, {text.split()[0]: cells})
    assert found == (None if expected is None else [row in expected for row in range(len(cells))])


def test_the_message_names_the_cells_that_are_no_numbers() -> None:
    cells = ["7", "unknown", "x" * 500, "unknown", "-", "none", "8"]
    with pytest.raises(InputError) as caught:
        evaluate_condition(parse_condition("age < 20"), {"age": cells})
    message = str(caught.value)
    assert "to compare age < 20 in forget.where, got 5 of 7 cells that are none, such as 'unknown', 'xxx" in message
    assert message.endswith("..., '-'. Correct or empty these cells, or quote '20' to compare text.")
    assert len(message) < 300


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("class == 010", ["010"]),
        ("class in [010, 002]", ["002", "010"]),
        ("class == 10", None),  # no folder, although 010 is this number
        ("class == 2 or class == 010", None),
        ("class != 3", None),
        ("class < 3", ["001", "002"]),
        ("class >= 002 and class < 10", ["002", "003"]),
        ("class == '010'", ["010"]),
        ("id == train/5 or class == cat", None),
        ("id == 0005", None),
    ],
)
def test_a_class_is_its_name(where: str, expected: list[str] | None, train: ImageSet, test: ImageSet) -> None:
    images = replace(train, class_names=["001", "002", "003", "010"])
    if expected is None:
        with pytest.raises(InputError, match=r"of an image in forget\.where, got "):
            make_splits(images, test, ForgetRequest(where=where))
        return
    forget = make_splits(images, test, ForgetRequest(where=where)).forget
    assert {images.class_names[number] for number in images.targets[forget].tolist()} == {*expected}


@pytest.mark.parametrize(
    ("names", "asked", "expected"),
    [
        (["001", "002", "003", "010"], "2", None),
        (["001", "002", "003", "010"], "002", "002"),
        (["3", "2", "1", "0"], "3", "3"),
        (["3", "2", "1", "x"], "0", None),
        (["1.0", "cat", "dog", "cow"], "1", None),
        (["0x1", "cat", "dog", "cow"], "1", None),
        (["ant", "cat", "dog", "cow"], "1", "cat"),
        (["ant", "cat", "dog", "cow"], "01", None),
        (["ant", "cat", "dog", "cow"], "\u0661", None),
        (["ant", "cat", "dog", "cow"], "9" * 5000, None),
        (["ant", "cat", "dog", "1 "], "1", None),
    ],
)
def test_a_number_is_a_class_only_where_no_name_is_one(
    names: list[str], asked: str, expected: str | None, train: ImageSet, test: ImageSet
) -> None:
    images = replace(train, class_names=names)
    if expected is None:
        with pytest.raises(InputError, match=r"Expected names of classes in forget\.classes, got '") as caught:
            make_splits(images, test, ForgetRequest(classes=[asked]))
        assert len(str(caught.value)) < 400
        return
    forget = make_splits(images, test, ForgetRequest(classes=[asked])).forget
    assert {names[number] for number in images.targets[forget].tolist()} == {expected}


@pytest.mark.parametrize("value", [[True], [None], [1.0], [["a"]], True, 1.0])
def test_a_name_is_text(value: Any) -> None:
    with pytest.raises(InputError, match=r"Expected text in forget\.classes, got "):
        ForgetRequest(classes=value)


def test_which_texts_python_reads_as_numbers() -> None:
    assert all(map(is_number, ["0", "007", "1e3", "0x10", "0b1", "1_0", "nan", "-inf", "٣", " 1 ", "9" * 5000]))
    assert not any(map(is_number, ["cat", "1a", "2024-05-01", "", "--1", "1,5"]))
