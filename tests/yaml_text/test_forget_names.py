"""Names below ``forget`` are the text that was written; nothing else changes."""

from typing import Any

import pytest
import yaml

from unlearning_pl.yaml_text.yaml_settings import read_yaml

LITERAL = "[002, 010, yes, no, on, off, 1e3, null, ~, 2024-05-01, 0x10, 1_000, 1:30, .5, '[a]', \"x: y\"]"
NAMES = ["002", "010", "yes", "no", "on", "off", "1e3", "null", "~", "2024-05-01", "0x10", "1_000", "1:30", ".5"]
NAMES += ["[a]", "x: y"]


@pytest.mark.parametrize("field", ["classes", "ids"])
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("data: {forget: {FIELD: LIST}}", ["data", "forget", "FIELD"]),
        ("forget: {FIELD: LIST}", ["forget", "FIELD"]),
        ("forget:\n  class_path: ForgetRequest\n  init_args: {FIELD: LIST}", ["forget", "init_args", "FIELD"]),
        ("data.forget.FIELD: LIST", ["data.forget.FIELD"]),
        ("data: {forget.FIELD: LIST}", ["data", "forget.FIELD"]),
        ("other: &names LIST\nforget: {FIELD: *names}", ["forget", "FIELD"]),
        ("forget: {<<: {FIELD: LIST}, seed: 3}", ["forget", "FIELD"]),
        ("unlearn: {forget: {FIELD: LIST}}", ["unlearn", "forget", "FIELD"]),
    ],
)
def test_names_are_text_wherever_a_request_stands(text: str, path: list[str], field: str) -> None:
    value: Any = read_yaml(text.replace("FIELD", field).replace("LIST", LITERAL))
    for key in path:
        value = value[key.replace("FIELD", field)]
    assert value == NAMES


def test_a_list_that_is_no_request_keeps_its_types() -> None:
    text = f"other: &names {LITERAL}\nforget: {{classes: *names, count: 5, fraction: 0.5, seed: 7}}\nclasses: [1]"
    settings = read_yaml(text)
    assert settings["other"][:4] == [2, 8, True, False]
    assert settings["classes"] == [1]
    assert {key: settings["forget"][key] for key in ("count", "fraction", "seed")} == {
        "count": 5,
        "fraction": 0.5,
        "seed": 7,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("classes: 002", {"classes": ["002"]}),
        ("classes: [=, <<, .inf]", {"classes": ["=", "<<", ".inf"]}),
        ("classes: '[a]'", {"classes": ["[a]"]}),
        ("classes: 'null'", {"classes": ["null"]}),
        ("classes: NULL", {"classes": ["NULL"]}),  # not the way to write none; a class may have this name
        ("classes: null", {"classes": None}),
        ("classes:", {"classes": None}),
        ("ids: 007", {"ids": ["007"]}),
        ("where: 010", {"where": "010"}),
        ("where: null", {"where": None}),
        ("file: 7", {"file": "7"}),
        ("per_class: 5", {"per_class": 5}),
        (
            "per_class: {010: 5, yes: 6, null: 7, <<: {1e3: 8}}",
            {"per_class": {"010": 5, "yes": 6, "null": 7, "1e3": 8}},
        ),
    ],
)
def test_one_name_is_a_list_of_one(text: str, expected: dict[str, Any]) -> None:
    assert read_yaml(text, "data.forget") == expected


@pytest.mark.parametrize("text", ["count: 010", "seed: 0_7", "per_class: 010", "per_class: {cat: 010}", "count: 1:30"])
def test_a_number_that_yaml_reads_as_another_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="base 8 or 60"):
        read_yaml(text, "forget")
