"""Texts that stand for more than they say end before anything is built from them."""

import pytest
import yaml

from unlearning_pl.yaml_text.yaml_limits import MAX_DEPTH, MAX_REPEATED, YamlLimitError, check_limits
from unlearning_pl.yaml_text.yaml_settings import read_yaml

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [1]\n" + "\n".join(f"a{row}: &a{row} [*a{row - 1}]" for row in range(1, 500))


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        CHAIN,
        "a: &a [*a]",
        "a: &a {b: {c: *a}}",
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "{a: " * 5000,
        "- " * 5000 + "a",
        yaml.safe_dump({"data": {"source": BOMB}}),  # jsonargparse reads strings as YAML
        yaml.safe_dump({"data": yaml.safe_dump({"source": "[" * 5000})}),
        "\n".join(" " * row + "|" for row in range(1400)),  # strings within strings
        "a: |\n" + "".join(f"{' ' * row}|\n" for row in range(1, 1100)) + " " * 1100 + "x" * 120,  # texts in texts
        BOMB + "\n]",  # the fault comes after the part that must not be built
    ],
)
def test_a_limit_is_exceeded(text: str) -> None:
    with pytest.raises(YamlLimitError):
        check_limits(text)
    with pytest.raises(YamlLimitError):
        read_yaml(text)


def test_what_is_within_the_limits_is_read() -> None:
    assert read_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    ids = f"ids: &ids [{', '.join(['x'] * 9)}]\nagain: [{', '.join(['*ids'] * (MAX_REPEATED // 10))}]"
    assert len(read_yaml(ids)["again"]) == MAX_REPEATED // 10
    check_limits("it's [no YAML: at all")


def test_an_alias_counts_as_often_as_it_stands() -> None:
    with pytest.raises(YamlLimitError, match="more than 100000 values"):
        check_limits(f"ids: &ids [{', '.join(['x'] * 999)}]\nagain: [{', '.join(['*ids'] * 101)}]")
