"""Text that people see: no control character, one line, no long value."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.errors import error_line, printable, quote, shorten

ANY = st.text(max_size=30) | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"]), max_size=9)
QUICK = settings(max_examples=200, deadline=None, derandomize=True, database=None)


@QUICK
@given(ANY)
def test_no_control_character_is_left(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(letter) for letter in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {unicodedata.bidirectional(letter) for letter in shown} & {
        "LRE",
        "RLE",
        "PDF",
        "LRO",
        "RLO",
        "LRI",
        "PDI",
    }
    assert len(shown.splitlines()) <= 1
    shown.encode()  # a surrogate would raise
    assert printable(shown) == shown
    assert len(error_line(text).splitlines()) <= 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x9b31m", r"\x9b31m"),  # a control sequence of one character
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("a\u2028b\x85c", r"a\u2028b\x85c"),
        ("\udcff", r"\udcff"),
        ("\U000e0041", r"\U000e0041"),
        ("naïve 猫 😀 क्\u200cष 👩\u200d🔬 \u3000\xa0x", "naïve 猫 😀 क्\u200cष 👩\u200d🔬 \u3000\xa0x"),
        ("\\x1b", "\\x1b"),
        ("cat\u034f\u3164\u2800", r"cat\u034f\u3164\u2800"),  # they would look like another name
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_characters_that_stay() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_an_error_is_one_line_of_bounded_length() -> None:
    assert error_line("Expected a\n  - b,\r\n got c.") == "Expected a - b, got c."
    long = error_line(f"Expected a path, got {'x' * 5000}/end. Correct it.")
    assert len(long) < 260
    assert long.endswith("/end. Correct it.")
    words = error_line("Expected names, got " + "many words " * 5000 + "of them. Give fewer.")
    assert len(words) < 2001
    assert words.startswith("Expected names, got many")
    assert words.endswith("Give fewer.")


def test_a_quoted_value_is_short() -> None:
    assert quote("x" * 201) == "'" + "x" * 196 + "..."
    assert len(quote(["x"] * 10**6)) == 200
    assert quote("x" * 198) == repr("x" * 198)
    assert shorten("x" * 200) == "x" * 200
