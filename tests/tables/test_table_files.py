import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.tables.json_objects import parse_object, plain_column
from unlearning_pl.tables.table_files import read_table


def json_rows(folder: Path, text: str, ending: str = ".jsonl") -> list[dict[str, Any]]:
    (folder / f"a{ending}").write_text(text, encoding="utf-8-sig")
    rows: list[dict[str, Any]] = read_table(folder / f"a{ending}").to_pylist()
    return rows


@pytest.mark.parametrize("ending", [".jsonl", ".NDJSON"])
def test_an_object_a_line(ending: str, tmp_path: Path) -> None:
    lines = [
        {"file_name": "a.png", "text": "x\u2028y", "tags": ["p"], "owner": 7, "box": [1, 2], "mixed": 1, "long": 2**70},
        {"file_name": "b.png", "tags": "q", "owner": 2.5, "when": "2024-05-01T10:00", "mixed": True, "long": 1},
    ]
    text = "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    first, second = json_rows(tmp_path, text, ending)
    mixed = {"owner": 7.0, "mixed": "1", "long": str(2**70)}
    assert first == {"file_name": "a.png", "text": "x\u2028y", "tags": ["p"], "when": None, **mixed}
    mixed = {"owner": 2.5, "mixed": "True", "long": "1"}
    assert second == {"file_name": "b.png", "text": None, "tags": ["q"], "when": "2024-05-01T10:00", **mixed}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", r"got none in line 2 \(it is no object\)"),
        ('{"a": 1, "a": 2}', r"line 2 \(it has a key twice in a, a\)"),
        ("[" * 100_000, r"line 2 \(it is nested too deeply\)"),
        ('{"a": ' + "1" * 5000 + "}", "line 2 .*4300 digits"),
        ('{"a": "\\ud800"}', "line 2 .*surrogates"),
        ("{", "line 2 .*Expecting"),
    ],
)
def test_a_line_that_is_no_object_is_named(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        json_rows(tmp_path, f'{{"a": 1}}\n{line}\n')
    assert "\n" not in str(caught.value)


def test_a_parquet_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["\u00e9", "e\u0301"]), tmp_path / "a.parquet"
    )
    with pytest.raises(InputError, match="columns of different names"):
        read_table(tmp_path / "a.parquet")


def test_plain_columns() -> None:
    assert plain_column([None, None]) == [None, None]
    assert plain_column([True, None, False]) == [True, None, False]
    assert plain_column([1, "x", None]) == ["1", "x", None]
    assert plain_column([float("nan"), "x"]) == [None, "x"]
    assert plain_column([float("nan"), 1.5, 1]) == [None, 1.5, 1]
    assert plain_column([{"a": 1}]) is None
    assert parse_object('{"a": {"b": []}}') == {"a": {"b": []}}


@pytest.mark.parametrize(
    ("values", "line", "shown"),
    [
        (["x", {"b": 1}, "y"], 3, "{'b': 1}"),
        ([["x", "y"], ["z", 3]], 3, r"\['z', 3\]"),
        ([["x"], 4], 3, "'?4'?"),
        ([{"b": 1}, {"b": 2}], 1, "{'b': 1}"),
    ],
)
def test_a_column_with_a_role_is_never_left_out(values: list[Any], line: int, shown: str, tmp_path: Path) -> None:
    text = "\n\n".join(json.dumps({"image": "a.png", "Label": value}) for value in values)
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError, match=f"as Label in .*, got {shown} in line {line}"):
        read_table(tmp_path / "a.jsonl", ("label",))
    assert read_table(tmp_path / "a.jsonl").column_names == ["image"]
