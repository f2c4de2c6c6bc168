"""Ids in files are text: exactly those that are written, or a refusal."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.errors import InputError

ODD = [
    "7",
    "007",
    "7.0",
    "1e3",
    "true",
    "null",
    "NaN",
    " a",
    "a ",
    "a,b",
    '"a"',
    "a\x85b",
    "a\u2028b",
    "猫",
    "#a",
    "[a]",
]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0")
IDS = st.sampled_from(ODD) | st.text(LETTERS, min_size=1)
NAMES = st.lists(IDS.filter(lambda name: name.strip(" ") and name.strip()), min_size=1, max_size=5, unique=True)


def written(tmp_path: Path, suffix: str, text: str) -> Path:
    path = tmp_path / f"ids.{suffix}"
    path.write_bytes(text.encode())
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ids")


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(names=NAMES)
def test_ids_are_those_that_are_written(names: list[str], folder: Path) -> None:
    table = io.StringIO()
    csv.writer(table).writerows([["owner", "id"], *([3, name] for name in names)])
    texts = {"txt": "\n".join(names), "csv": table.getvalue(), "json": json.dumps({"forget": names})}
    for suffix, text in texts.items():
        if not names[0].startswith("\ufeff"):  # a byte order mark is no part of the first name
            assert read_ids(written(folder, suffix, text), set(names)) == names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[7]", ["7"]),
        ('["007"]', ["007"]),
        ("[-0]", ["-0"]),
        (f"[{'9' * 5000}]", ["9" * 5000]),
        ("[007]", None),
        ("[7.0]", None),
        ("[true]", None),
        ("[null]", None),
        ("[NaN]", None),
        ('[["a"]]', None),
        ("[" * 100_000, None),
        ('{"ids": ["a"]}', None),
    ],
)
def test_a_number_in_json_is_its_text(text: str, expected: list[str] | None, tmp_path: Path) -> None:
    path = written(tmp_path, "json", text)
    if expected is not None:
        assert read_ids(path) == expected
        return
    with pytest.raises(InputError, match="which does not parse"):
        read_ids(path)


def test_a_space_belongs_to_an_id_that_has_it(tmp_path: Path) -> None:
    path = written(tmp_path, "txt", " a\na \n b \n\n")
    assert read_ids(path, {"a", " a", "b"}) == [" a", "a", "b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('id,reason\na.png,"asked\nb.png,ok\nc.png,by mail"\n', "over the lines 2 to 4"),
        ('"a.png\nb.png"\nc.png\n', "over the lines 1 to 2"),
        ("id,reason\na.png\nb.png,ok\n", "2 columns, got 1 values in line 2"),
        ("reason,id\nx,a.png\ny,\n", "no id in the row 'y,'"),
    ],
)
def test_no_line_of_a_csv_is_lost(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_ids(written(tmp_path, "csv", text))
    assert "\n" not in str(caught.value)


def test_a_quote_in_another_column_is_text_where_no_other_closes_it(tmp_path: Path) -> None:
    text = 'id,reason\ntrain/a.png,"asked by mail\r\n\n,\ntrain/b.png,ok\ntrain/c|d.png,ok\n'
    assert read_ids(written(tmp_path, "csv", text)) == ["train/a.png", "train/b.png", "train/c|d.png"]
    assert read_ids(written(tmp_path, "csv", 'a.png,"x\n\ny"\nb.png,z\n')) == ["a.png", "b.png"]
    assert read_ids(written(tmp_path, "csv", 'id,reason\na.png,"by mail\nb.png,"ok"\n')) == ["a.png", "b.png"]
    assert read_ids(written(tmp_path, "csv", "")) == []
