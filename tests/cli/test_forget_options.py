"""Asking for a class by the name of its folder chooses exactly this folder, or is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonargparse import ArgumentParser

from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.cli.forget_options import quote_names
from unlearning_pl.data import ForgetRequest, ImageSet
from unlearning_pl.data.splits.request_rows import resolve_request
from unlearning_pl.errors import InputError
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml

ODD = [
    "0",
    "1",
    "2",
    "00",
    "01",
    "001",
    "002",
    "010",
    "8",
    "yes",
    "no",
    "on",
    "off",
    "true",
    "null",
    "~",
    "NULL",
    "1e3",
]
ODD += ["1000", "1000.0", "0x10", "16", "1_0", "10", "2024-05-01", "1:30", "90", ".5", "a: b", "a,b", "[a]", "{a}", "a"]
ODD += ["'a'", '"a"', "# a", "a # b", "-a", "--a", "*a", "&a", "!a", "%a", "@a", "=", "<<", "٣", "é", "猫", "😀", " a "]
LEGAL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=8)
FOLDERS = st.lists(st.sampled_from(ODD) | LEGAL, min_size=2, max_size=6, unique=True)
PIXELS = torch.zeros(6, 3, 1, 1, dtype=torch.uint8)


def parser() -> ArgumentParser:
    forget = make_parser("split", "")
    forget.add_class_arguments(ForgetRequest, "forget")
    return forget


PARSER = parser()


def chosen(names: list[str], args: list[str]) -> list[str] | None:
    """Names of the classes that a command line chooses; None if it is refused."""
    images = ImageSet(PIXELS[: len(names)], torch.arange(len(names)), [f"i{row}" for row in range(len(names))], names)
    try:
        request = ForgetRequest(**parse_args(PARSER, args).forget)
        if not request.given():
            return None  # the commands refuse to start without a request
        return [names[row] for row in resolve_request(request, images, torch.arange(len(names))).tolist()]
    except InputError:
        return None


def is_plain(text: str, name: str) -> bool:
    try:
        return bool(yaml.load(text, Loader=yaml.BaseLoader)["forget"]["classes"] == [name])
    except (yaml.YAMLError, TypeError):
        return False


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(names=FOLDERS, data=st.data())
def test_a_folder_or_a_refusal_never_another_folder(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    quoted = yaml.safe_dump([name], default_style='"', default_flow_style=True, width=1000).strip()
    assert chosen(names, ["--config", f"forget: {{classes: {quoted}}}"]) == [name]
    assert chosen(names, [f"--forget.classes={quoted}"]) == [name]
    assert chosen(names, ["--forget", f"classes: {quoted}"]) == [name]
    counts = yaml.safe_dump({name: 1}, default_style='"', default_flow_style=True, width=1000).strip()
    assert chosen(names, ["--config", f"forget: {{per_class: {counts.replace('!!int ', '')}}}"]) in ([name], None)
    for plain in (f"forget: {{classes: [{name}]}}", f"forget:\n  classes:\n  - {name}\n"):
        if is_plain(plain, name):
            assert chosen(names, ["--config", plain]) == [name]
    listed = name.strip().startswith("[") and name.strip().endswith("]")  # documented to be a list of names
    if not listed:
        assert chosen(names, [f"--forget.classes={name}"]) in ([name], None)
    if not listed and not name.startswith("-") and name != "null":
        assert chosen(names, ["--forget.classes", name]) == [name]


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(names=FOLDERS, asked=st.sampled_from(ODD))
def test_what_is_no_folder_is_no_other_folder(names: list[str], asked: str) -> None:
    assume(asked not in names and asked not in ("[a]", "null"))
    found = chosen(names, [f"--forget.classes={asked}"])
    numbered = any(name.isdecimal() for name in names)
    assert found is None or (not numbered and found == [names[int(asked)]])


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(names=FOLDERS)
def test_a_configuration_is_written_as_it_was_read(names: list[str]) -> None:
    options = parse_args(PARSER, [f"--forget.classes={write_inline_yaml(names)}"])
    dumped = PARSER.dump(options, skip_none=False)
    assert parse_args(PARSER, ["--config", dumped]).forget.classes == names
    assert yaml.safe_load(dumped)["forget"]["classes"] == names  # by other programs, too


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--forget.classes", "[002]"], {"classes": ["002"]}),
        (["--forget.classes=[010, yes, 1e3]"], {"classes": ["010", "yes", "1e3"]}),
        (["--forget.classes", "002"], {"classes": ["002"]}),
        (["--forget.classes", "[null]"], {"classes": ["null"]}),
        (["--forget.classes", "it's"], {"classes": ["it's"]}),
        (["--forget.classes", "-x"], {"classes": ["-x"]}),
        (["--forget.classes+", "002", "--forget.classes+=[003, 010]"], {"classes": ["002", "003", "010"]}),
        (["--forget.ids", "[007]"], {"ids": ["007"]}),
        (["--forget.per_class", "{010: 5, 2: 6}"], {"per_class": {"010": 5, "2": 6}, "seed": 0}),
        (["--forget.per_class.010", "5", "--forget.per_class.002=6"], {"per_class": {"010": 5, "002": 6}, "seed": 0}),
        (["--forget", "{classes: [010], seed: 3}"], {"classes": ["010"]}),
        (["--forget", "request.yaml"], {"classes": ["002", "yes"]}),
        (["--forget.where", "# == 3"], {"where": "# == 3"}),
        (["--forget.where", "class == 010"], {"where": "class == 010"}),
        (["--forget.count", "1", "--forget.count", "null", "--forget.ids", "a"], {"ids": ["a"]}),
        (["--forget.ids", "a", "--forget.ids", "null", "--forget.count", "5"], {"count": 5, "seed": 0}),
    ],
)
def test_options_are_read_as_typed(
    args: list[str], expected: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("request.yaml").write_text("classes:\n- 002\n- yes  # a comment\n")
    assert (
        ForgetRequest(**{k: v for k, v in parse_args(PARSER, args).forget.items() if k != "__path__"}).given()
        == expected
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--forget.per_class", "{cat: 5, cat: 6}"], "cat twice"),
        (["--forget.per_class", "{010: 5, '010': 6}"], "010 twice"),
        (["--config", "forget: {per_class: {cat: 5, cat: 6}}"], "cat twice"),
        (["--forget", "{per_class: {cat: 010}}"], "base 8 or 60"),
        (["--forget.classes", "\udcff"], "Expected text in UTF-8 as --forget.classes"),
        (["--forget.classes", "--seed"], "expected one argument"),
        (["--forget.classes"], "expected one argument"),
        (["--forget.classes", "[a: b"], None),
        (["--forget.classes", "[a: b]"], "Expected names as --forget.classes, got '.a: b.'. Quote a name"),
        (["--forget.classes", "[[a]]"], "Expected names as --forget.classes"),
        (["--forget.ids", "[{a}]"], "Expected names as --forget.ids"),
        (["--forget.classes", "[*a]"], "Expected YAML as --forget.classes"),
        (["--forget.classes", "[" * 100_000 + "]" * 100_000], "more than 100 nested"),
        (["--forget.count", "9" * 5000], "more than 4300 digits"),
    ],
)
def test_options_that_cannot_be_read_are_refused(args: list[str], message: str | None) -> None:
    if message is None:
        assert parse_args(PARSER, args).forget.classes == args[1:]
        return
    with pytest.raises(InputError, match=message):
        parse_args(PARSER, args)


def test_other_options_are_left_alone() -> None:
    args = ["fit", "--data.batch_size", "010", "--forgets.classes", "[010]", "--run=[010]", "--config", "a.yaml"]
    assert quote_names(args) == args
