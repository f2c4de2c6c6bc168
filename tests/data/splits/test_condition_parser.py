"""Conditions on metadata, against Python's own comparisons."""

import operator
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.data import ForgetRequest, ImageSet, make_splits
from unlearning_pl.data.splits.condition_parser import (
    Comparison,
    condition_columns,
    evaluate_condition,
    parse_condition,
)
from unlearning_pl.errors import InputError

QUICK = settings(max_examples=60, derandomize=True, deadline=None, database=None)
SIGNS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WORDS = st.text(st.characters(exclude_characters="\"'", exclude_categories=["Cs"]), max_size=6)


def met(text: str, known: dict[str, list[Any]]) -> list[bool]:
    return evaluate_condition(parse_condition(text), known)


@QUICK
@given(
    column=st.lists(st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    sign=st.sampled_from(sorted(SIGNS)),
    data=st.data(),
)
def test_numbers_are_compared_as_numbers(column: list[float], sign: str, data: st.DataObject) -> None:
    value = data.draw(st.sampled_from(column) | st.integers(-3, 3))
    expected = [SIGNS[sign](entry, value) for entry in column]
    assert met(f"n {sign} {value!r}", {"n": column}) == expected
    assert met(f"n{sign}'{value!r}'", {"n": column}) == expected
    assert met(f"n in [{value!r}]", {"n": column}) == [entry == value for entry in column]


@QUICK
@given(column=st.lists(WORDS, min_size=1), sign=st.sampled_from(sorted(SIGNS)), data=st.data())
def test_text_is_compared_as_text_whatever_it_holds(column: list[str], sign: str, data: st.DataObject) -> None:
    value, other = data.draw(st.sampled_from(column)), data.draw(WORDS)
    known = {"a b": [*column, "and", 7]}  # not all of them numbers, so text
    texts = [*column, "and", "7"]
    assert met(f"'a b' {sign} \"{value}\"", known) == [entry != "" and SIGNS[sign](entry, value) for entry in texts]
    assert met(f"'a b' in ['{value}','{other}']", known) == [entry != "" and entry in (value, other) for entry in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owner == 17", [0, 3]),
        ("owner==17 and camera != front", [0]),
        ("  camera in [left,'right door']  and owner >= 17 ", [0, 1]),
        ("camera == front", [2]),
        ("camera == 'front'", [2]),
        ("owner != 17", [1]),  # whose owner nobody knows may be 17 all the same
        ("share < .5e0", [0]),
        ("share > -1", [0, 1]),
        ("day", None),
        ("seen == true", [0, 2]),
        ("seen == 0", [1, 3]),
        ("day >= 2020-01-01", [1, 2, 3]),
        ("owner in [3, 99]", [1]),
        ("owner in [3, 99,]", [1]),
        ("owner not in [3, 99]", [0, 3]),
        ("camera == left or camera == front and owner == 99", [0]),
        ("(camera == left or camera == front) and seen == true", [0, 2]),
        ("((owner) == (17))", [0, 3]),
    ],
)
def test_what_conditions_mean(text: str, expected: list[int] | None) -> None:
    known = {
        "owner": [np.int64(17), 99, None, 17.0],
        "camera": ["left", "right door", "front", None],
        "share": [0.25, np.float32(0.5), float("nan"), None],
        "seen": [True, False, True, False],
        "day": ["2019-12-31", "2020-01-01", "2020-01-02", "2021"],
    }
    if expected is None:
        with pytest.raises(InputError, match="which ends too early"):
            met(text, known)
    else:
        assert [row for row, holds in enumerate(met(text, known)) if holds] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class in [cat, dog] and left-camera.x == 2024-05-01", [0]),  # a keyword, no identifier, no number
        ("lambda == #1; or or == __x__", [0, 1]),
        ("or in [or, and] and not not in [in]", [0]),
        ("not\xa0== in or\n'or' == 'and'", [1, 2]),
        ("größe==\udcff", [1]),
        ("1e3 == 1000 and 1e3 <= 1_000", None),
    ],
)
def test_a_word_is_a_keyword_only_behind_an_operand(text: str, expected: list[int] | None) -> None:
    known = {
        "class": ["cat", "cow", "dog"],
        "left-camera.x": ["2024-05-01", "2024-05-01", "2024"],
        "lambda": ["#1;", "", "x"],
        "or": ["or", "__x__", "and"],
        "not": ["not", "in", "in"],
        "größe": ["1", "\udcff", None],
        "1e3": [1000, 2, 3],
    }
    if expected is None:
        with pytest.raises(InputError, match="got '1_000'"):
            met(text, known)
    else:
        assert [row for row, holds in enumerate(met(text, known)) if holds] == expected


def nested(column: str) -> st.SearchStrategy[str]:
    signs = st.sampled_from(sorted(SIGNS))
    comparison = st.builds("{} {} {}".format, st.sampled_from(column), signs, st.integers(-1, 2))
    values = st.lists(st.integers(-1, 2), min_size=1)
    listed = st.builds("{} {} {}".format, st.sampled_from(column), st.sampled_from(["in", "not in"]), values)
    joined = st.sampled_from([" and ", " or "])
    return st.recursive(
        comparison | listed,
        lambda part: st.builds("{}{}{}".format, part, joined, part) | st.builds("({})".format, part),
        max_leaves=8,
    )


@QUICK
@given(text=nested("abc"), rows=st.lists(st.tuples(*[st.integers(-1, 2)] * 3), min_size=1))
def test_and_or_and_parentheses_are_those_of_python(text: str, rows: list[tuple[int, int, int]]) -> None:
    known = {name: list(column) for name, column in zip("abc", zip(*rows, strict=True), strict=True)}
    expected = [eval(text, {}, dict(zip("abc", row, strict=True))) for row in rows]
    assert met(text, known) == expected


@QUICK
@given(text=nested("a"))
def test_a_missing_value_meets_no_condition(text: str) -> None:
    assert met(text, {"a": [None, float("nan")]}) == [False, False]


@QUICK
@given(
    st.lists(st.sampled_from([*"[](),=!<>'\"\\#:.", "==", "<=", "a", "17", "and", "or", "in", "not", " ", "\n"])).map(
        "".join
    )
    | st.text()
)
def test_every_text_is_a_condition_or_refused_in_one_line(text: str) -> None:
    message = ""
    try:
        parse_condition(text)
    except InputError as error:
        message = str(error)
    assert len(message.splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("", "ends too early"),
        ("   ", "ends too early"),
        ("owner", "ends too early"),
        ("owner ==", "ends too early"),
        ("owner = 17", "'= 17'"),
        ("owner == 17 camera == left", "'camera == left'"),
        ("owner == 17 and", "ends too early"),
        ("owner == 17 or", "ends too early"),
        ("owner == 17 or camera", "ends too early"),
        ("owner == 17 or and camera == left", "'camera == left'"),
        ("owner == 'a", '"\'a"'),
        ("owner in 17", "'owner in 17'"),
        ("owner in []", "'owner in []'"),
        ("owner in [17", "'[17'"),
        ("owner in [17 18]", "'17 18]'"),
        ("owner in [17, [18]]", "'[18]]'"),
        ("owner in (17, 18)", "'owner in (17, 18)'"),
        ("owner == [17]", "'[17]'"),
        ("owner == 17 == 17", "'owner == 17 == 17'"),
        ("owner not 17", "'17'"),
        ("owner == 17, owner == 18", "'owner == 17, owner == 18'"),
        ("== 17", "'== 17'"),
        ("not owner == 17", "'owner == 17'"),
        ("(owner == 17", "'(owner == 17'"),
        ("owner == 17) or (owner == 18", "') or (owner == 18'"),
        ("owner == __import__('os')", "\"__import__('os')\""),
        ("owner == x[17]", "'x[17]'"),
        ("(" * 300 + "owner == 17" + ")" * 300, "'(((("),
    ],
)
def test_what_does_not_parse_is_refused_where_it_is_asked(text: str, rest: str) -> None:
    with pytest.raises(InputError, match=re.escape(rest)) as caught:
        ForgetRequest(where=text)
    assert "Expected a condition in forget.where" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ownr == 17", "got 'ownr'. Did you mean owner? There are owner, camera, id, class."),
        ("xyz == 17", "got 'xyz'. There are owner, camera, id, class."),
        (
            "owner == me",
            "Expected a number to compare with owner in forget.where, got 'me'. Its values look like 0, 1, 2",
        ),
        ("owner == nan", "got 'nan'"),
        ("owner == 1_0", "got '1_0'"),
        ("owner == 99", "got where='owner == 99', which means none."),
        ("owner >= 0", "got where='owner >= 0', which means all."),
    ],
)
def test_conditions_that_cannot_be_met_get_one_line(text: str, message: str, train: ImageSet, test: ImageSet) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        make_splits(owned(train), test, ForgetRequest(where=text))
    assert len(str(caught.value).splitlines()) == 1


def owned(train: ImageSet) -> ImageSet:
    owners, cameras = [row % 5 for row in range(40)], ["left" if row % 2 else "right" for row in range(40)]
    return replace(train, metadata={"owner": owners, "camera": cameras})


def test_a_request_is_of_the_images_that_are_trained_on(train: ImageSet, test: ImageSet) -> None:
    request = ForgetRequest(where="owner == 3 and camera == left and class in [cat, ship]")
    splits = make_splits(owned(train), test, request, 0.25)
    kept = splits.train.tolist()
    assert splits.forget.tolist() == [row for row in kept if row % 5 == 3 and row % 2 == 1]
    assert len(splits.forget) > 0


def test_classes_are_numbers_where_all_their_names_are(train: ImageSet) -> None:
    assert condition_columns(train)["class"][:4] == ["airplane", "cat", "dog", "ship"]
    numbered = condition_columns(replace(train, class_names=["0", "2", "10", "9"]))
    assert evaluate_condition(Comparison("class", ">", ("9",)), numbered)[:4] == [False, False, True, False]
    unlabelled = replace(train, class_names=[], targets=train.targets * 0)
    assert [*condition_columns(unlabelled)] == ["id"]


def test_a_message_shows_different_values() -> None:
    with pytest.raises(InputError, match=r"look like 6, 2\.5\."):
        met("n == x", {"n": [6, 6, None, 6, 2.5]})


def test_a_column_of_missing_values_meets_nothing() -> None:
    assert met("owner != 3", {"owner": [None, float("nan")]}) == [False, False]
    assert met("owner != 3", {"owner": ["", 4]}) == [False, True]  # a cell without anything in it
