"""Settings are read back as they were written, by this reader and by PyYAML's."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml, write_inline_yaml, write_yaml

ODD = [
    "002",
    "010",
    "yes",
    "null",
    "~",
    "1e3",
    "0x10",
    "1_0",
    "2024-05-01",
    "a: b",
    "[a]",
    "{a}",
    "'a'",
    "# a",
    "a # b",
]
ODD += [
    "-a",
    "- a",
    "*a",
    "&a",
    "!a",
    "=",
    "<<",
    "1:30",
    ".inf",
    "\x85",
    "a\u2028b",
    "😀",
    "\x7f",
    "\x1b",
    " a ",
    "",
    "?",
]
TEXTS = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = st.recursive(
    TEXTS | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    for text in (write_yaml(value), write_inline_yaml(value)):
        assert read_yaml(text) == value
        assert yaml.safe_load(text) == value
    assert write_inline_yaml(value).isascii()
    assert len(write_inline_yaml(value).splitlines()) == 1


def test_numbers_are_those_of_jsonargparse() -> None:
    text = "{lr: 1e-3, seed: 5, share: 0.5, on: true, none: null, day: 2024-05-01, name: 1.2.3}"
    expected = {"lr": 0.001, "seed": 5, "share": 0.5, True: True, "none": None, "day": "2024-05-01", "name": "1.2.3"}
    assert read_yaml(text) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{a: 1, a: 2}", "a twice at line 1, column 8"),
        ("{1: a, 0x1: b}", "1 twice at line 1"),
        ("{forget: {per_class: {010: 1, '010': 2}}}", "010 twice at line 1"),
        ("n: " + "9" * 5000, "a number of 5000 characters at line 1"),
        ("{" + "k" * 500 + ": 1, " + "k" * 500 + ": 2}", "kkk... twice at line 1"),
        ("a: !!bool maybe", "maybe as bool at line 1, column 4"),
        ("a: !!int ''", "nothing as int at line 1, column 4"),
        ("!!timestamp x", "x as timestamp at line 1"),
        ("[1, !!float x]", "x as float at line 1, column 5"),
        ("!!map [1]", "expected a mapping node, but found sequence at line 1"),
        ("? !!bool x\n: 1", "x as bool at line 1"),
        ("a: [", "did not find expected node content at line"),
    ],
)
def test_a_fault_is_one_short_line(text: str, fault: str) -> None:
    with pytest.raises(yaml.YAMLError) as caught:
        read_yaml(text)
    line = describe_fault(caught.value)
    assert fault in line
    assert len(line) < 250
    assert len(line.splitlines()) == 1


def test_a_key_replaces_that_of_a_merged_mapping() -> None:
    assert read_yaml("a: &a {b: 1, c: 1}\nd: {<<: *a, b: 2}")["d"] == {"b": 2, "c": 1}
