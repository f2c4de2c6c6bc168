import datetime
import re
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from unlearning_pl.data import Digits, ForgetRequest, TemplateCaptions, UnlearningData, WithMetadata
from unlearning_pl.errors import InputError


def digits() -> Digits:
    return Digits(train_size=20, image_size=8)


@pytest.fixture
def ids() -> list[str]:
    return digits().load()[0].ids


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet"])
def test_a_table_joins_by_id_in_any_order(ending: str, ids: list[str], tmp_path: Path) -> None:
    shuffled = [*ids[::-1], "99999"]  # one row more than there are images
    owners, notes = [int(name) % 3 for name in shuffled], [f"of {name}, kept" for name in shuffled]
    path = tmp_path / f"owners{ending}"
    if ending == ".parquet":
        table = {"owner": owners, "id": [int(name) for name in shuffled], "note": notes}
        pq.write_table(pa.table(table), path)
    else:
        mark = "\t" if ending == ".tsv" else ","
        rows = [f'{o}{mark}{i}{mark}"{n}"' for o, i, n in zip(owners, shuffled, notes, strict=True)]
        path.write_text("\n".join([mark.join(("owner", "id", "note")), *rows]), encoding="utf-8-sig")
    train, test = WithMetadata(digits(), str(path)).load()
    assert train.metadata["owner"] == [int(name) % 3 for name in ids]
    assert train.metadata["note"] == [f"of {name}, kept" for name in ids]
    assert not test.metadata
    assert torch.equal(train.images, digits().load()[0].images)
    data = UnlearningData(WithMetadata(digits(), str(path)), forget=ForgetRequest(where="owner == 1"))
    assert [data.ids[row] for row in data.positions("forget").tolist()] == [i for i in ids if int(i) % 3 == 1]


def test_what_a_condition_asks_of_a_table(tmp_path: Path, ids: list[str]) -> None:
    prices = [Decimal(9 + number) + Decimal("0.10") for number in range(20)]
    days = [datetime.datetime(2020, 1, 1 + number, 12) for number in range(20)]
    cameras = ["front", "", "left", None] * 5
    table = {"id": ids, "price": prices, "day": days, "camera": cameras, "box": [[1, 2]] * 20}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    lines = [f"{n};{p};{d};{c or ''}" for n, p, d, c in zip(ids, prices, days, cameras, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["id;price;day;camera", *lines]))
    for name in ("a.parquet", "a.csv"):
        for where, expected in {
            "price > 10": range(1, 20),
            "price == 10.1": [1],
            "day < '2020-01-04 13:00:00'": range(4),
            "camera != front": range(2, 20, 4),
        }.items():
            data = UnlearningData(WithMetadata(digits(), str(tmp_path / name)), forget=ForgetRequest(where=where))
            assert data.positions("forget").tolist() == [*expected], where


def test_dates_are_text_and_a_table_changes_nothing_else(tmp_path: Path, ids: list[str]) -> None:
    rows = "".join(f"{name};2024-05-{1 + row:02}\n" for row, name in enumerate(ids))
    (tmp_path / "a.csv").write_text(f"id;taken\n{rows}")
    inner = TemplateCaptions(digits(), ["the digit {}."])
    source = WithMetadata(inner, str(tmp_path / "a.csv"))
    assert source.load()[0].metadata["taken"][:2] == ["2024-05-01", "2024-05-02"]
    data, plain = UnlearningData(source), UnlearningData(inner)
    assert torch.equal(data.prompts(8), plain.prompts(8))
    assert not torch.equal(data.prompts(8), UnlearningData(digits()).prompts(8))


def test_ids_in_a_text_file_stay_text(tmp_path: Path, ids: list[str]) -> None:
    rows = "\n".join(f"{name},1" for name in ids)
    (tmp_path / "a.csv").write_text(f"id,owner\n0{rows}")  # the first is 0360, which is none of ours
    with pytest.raises(InputError, match=f"got none of {ids[0]} "):
        WithMetadata(digits(), str(tmp_path / "a.csv")).load()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", None, "Expected a table, got "),
        ("a.xls", "", "Expected .csv, .tsv, .jsonl or .parquet as file, got "),
        ("a.csv", "", "Expected the names of the columns in the first line of "),
        ("a.parquet", "id\n1\n", "Expected a table, got "),
        ("a.csv", "id,owner\n1\n", "to have 2 columns, got 1 values in line 2"),
        ("a.csv", "name,owner\n1,2\n", "Expected a column id and no name twice"),
        ("a.csv", "id,owner,owner\n1,2,3\n", "Expected the names of the columns in the first line of "),
        ("a.csv", "id,owner\n1,2\n1,3\n", "Expected each id once"),
        ("a.csv", "id,owner\n360,2\n", "got none of 1773, 1482, 600 (19 missing). Add them"),
    ],
)
def test_a_table_that_does_not_serve_gets_one_line(name: str, text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        WithMetadata(digits(), str(tmp_path / name)).load()
    assert len(str(caught.value).splitlines()) == 1
