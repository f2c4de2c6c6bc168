"""Rules of names, paths and columns, the same for every source (docs/data.md)."""

import json
import os
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_files import write
from sources_of_rows import IMAGE, PARTS, SOURCES, TABLES, images, png

from unlearning_pl.data import Folder, Parquet, WithMetadata
from unlearning_pl.errors import InputError

pytestmark = pytest.mark.usefixtures("offline")

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("on_disk", "written"), [(NFD, NFC), (NFC, NFD), (NFD, NFD)])
@pytest.mark.parametrize("kind", SOURCES)
def test_ids_and_classes_are_composed(kind: str, on_disk: str, written: str, tmp_path: Path) -> None:
    images(tmp_path, f"{on_disk}/a.png", "t.png")
    row = {"image": f"{written}/a.png", "label": written}
    train, test = SOURCES[kind](tmp_path, train=[row], test=[{"image": "t.png", "label": NFC}]).load()
    assert train.ids == [f"train/{NFC}/a.png"] or (kind == "Shards" and train.ids == [f"train/{NFC}/a"])
    assert train.class_names == test.class_names == [NFC]


@pytest.mark.parametrize("kind", SOURCES)
def test_backslashes_separate_folders_and_spaces_around_do_not_count(kind: str, tmp_path: Path) -> None:
    images(tmp_path, "cat/a.png", "cat/b.png", "t.png")
    space = "" if kind == "Shards" else " "  # a key of WebDataset has no spaces around
    rows = [{"image": f".\\cat\\a.png{space}", "label": " x"}, {"image": "cat/b.png", "label": "x "}]
    train, _ = SOURCES[kind](tmp_path, train=rows, test=[{"image": "t.png", "label": "x"}]).load()
    assert [name.removesuffix(".png") for name in train.ids] == ["train/cat/a", "train/cat/b"]
    assert train.class_names == ["x"]


@pytest.mark.skipif(os.sep != "/", reason="here a backslash separates folders")
@pytest.mark.parametrize("kind", TABLES)
def test_a_file_of_exactly_that_name_is_taken_before_any_other(kind: str, tmp_path: Path) -> None:
    images(tmp_path, "a/b.png", "a\\b.png", " a.png", "a.png", "t.png")
    rows = [{"image": name, "caption": name} for name in ("a/b.png", "a\\b.png", " a.png", "a.png")]
    train, _ = TABLES[kind](tmp_path, train=rows, test=[{"image": "t.png", "caption": "x"}]).load()
    assert train.ids == ["train/a/b.png", "train/a\\b.png", "train/ a.png", "train/a.png"]
    assert len({bytes(image.numpy()) for image in train.images}) == 4


@pytest.mark.parametrize("kind", TABLES)
def test_two_files_that_differ_in_their_form_alone_are_refused(kind: str, tmp_path: Path) -> None:
    images(tmp_path, f"{NFC}.png", f"{NFD}.png", "t.png")
    rows = [{"image": f"{form}.png", "label": "x"} for form in (NFC, NFD)]
    with pytest.raises(InputError, match=r"differ in more than their Unicode form, got .* 2 times"):
        TABLES[kind](tmp_path, train=rows, test=[{"image": "t.png", "label": "x"}]).load()


IMAGE_FORMS = {
    "struct": pa.array([{"bytes": png(row), "path": f"{row}.png"} for row in range(2)], IMAGE),
    "views": pa.array(
        [{"bytes": png(0), "path": "0.png"}] * 2, pa.struct({"bytes": pa.binary_view(), "path": pa.string_view()})
    ),
    "bytes in a struct": pa.array([{"bytes": png(0)}] * 2, pa.struct({"bytes": pa.large_binary()})),
    "paths in a struct": pa.array(
        [{"path": f"sub\\{NFC}{row}.png"} for row in range(2)], pa.struct({"path": pa.string()})
    ),
    "binary": pa.array([png(row) for row in range(2)], pa.binary()),
    "large_binary": pa.array([png(row) for row in range(2)], pa.large_binary()),
    "binary_view": pa.array([png(row) for row in range(2)], pa.binary_view()),
}


@pytest.mark.parametrize("name", ["image", "img", "Image", "photo"])
@pytest.mark.parametrize("form", IMAGE_FORMS)
def test_images_of_all_types_in_any_column(form: str, name: str, tmp_path: Path) -> None:
    images(tmp_path, f"sub/{NFD}0.png", f"sub/{NFD}1.png")  # paths are relative to the file
    for part in PARTS:
        columns = {name: IMAGE_FORMS[form], "note": ["x", "y"], "nested": pa.array([{"a": 1}] * 2)}
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    train, _ = Parquet(*(str(tmp_path / f"{part}.parquet") for part in PARTS)).load()
    assert len(train) == 2
    assert train.metadata == {"note": ["x", "y"]}


@pytest.mark.parametrize("name", ["image", "img", "image_name", "file_name", "filename", "filepath", "path", "Image"])
@pytest.mark.parametrize("kind", TABLES)
def test_paths_in_any_column(kind: str, name: str, tmp_path: Path) -> None:
    images(tmp_path, "a.PNG", "t.png")
    rows = [{"thumb": "no.jpg", name: path} for path in ("a.PNG", "t.png")]
    train, _ = TABLES[kind](tmp_path, train=rows[:1], test=rows[1:]).load()
    assert (train.ids, train.metadata) == (["train/a.PNG"], {"thumb": ["no.jpg"]})


@pytest.mark.parametrize("kind", TABLES)
def test_the_only_column_of_names_of_images_is_that_of_the_images(kind: str, tmp_path: Path) -> None:
    images(tmp_path, "a.PNG", "t.png")
    rows = [{"owner": "x", "Photo": path} for path in ("a.PNG", "t.png")]
    train, _ = TABLES[kind](tmp_path, train=rows[:1], test=rows[1:]).load()
    assert (train.ids, train.metadata) == (["train/a.PNG"], {"owner": ["x"]})
    with pytest.raises(InputError, match=r"Expected a column image, .* or path with paths"):
        TABLES[kind](tmp_path, train=[{**rows[0], "thumb": "no.jpg"}], test=rows[1:]).load()


def test_two_columns_that_can_be_the_images_are_refused(tmp_path: Path) -> None:
    columns = {"left": [png()], "right": [png()]}
    for part in PARTS:
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    with pytest.raises(InputError, match=r"column image: .*, got left, right\. Rename"):
        Parquet(*(str(tmp_path / f"{part}.parquet") for part in PARTS)).load()


def test_a_folder_has_composed_classes_and_refuses_two_forms_of_one(tmp_path: Path) -> None:
    images(tmp_path, f"train/{NFD}/{NFD}.png", f"test/{NFC}/a.png")
    folders = str(tmp_path / "train"), str(tmp_path / "test")
    train, _ = Folder(*folders).load()
    assert (train.ids, train.class_names) == ([f"train/{NFC}/{NFC}.png"], [NFC])
    images(tmp_path, f"train/{NFD}/{NFC}.png")
    with pytest.raises(InputError, match=rf"name of its own for each image, got 'train/{NFC}/{NFC}\.png'"):
        Folder(*folders).load()
    images(tmp_path, f"train/{NFC}/b.png")
    with pytest.raises(InputError, match="classes whose names differ in more than their Unicode form"):
        Folder(*folders).load()


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_a_table_beside_a_folder(table: str, tmp_path: Path) -> None:
    images(tmp_path, f"train/{NFD}/a.png", "train/x/b.png", f"test/{NFC}/a.png", "test/x/b.png")
    rows = [{"file_name": "x\\b.png ", "owner": "007"}, {"file_name": f"{NFC}\\a.png", "owner": NFD}]
    if table.endswith("csv"):
        text = "\n".join(["file_name,owner", *(",".join(row.values()) for row in rows)])
        write(tmp_path / "train" / table, text.encode())
    elif table.endswith("jsonl"):
        write(tmp_path / "train" / table, "\n".join(map(json.dumps, rows)).encode())
    else:
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train" / table)
    train, _ = Folder(str(tmp_path / "train"), str(tmp_path / "test")).load()
    assert train.ids == [f"train/{NFC}/a.png", "train/x/b.png"] or train.ids == ["train/x/b.png", f"train/{NFC}/a.png"]
    assert dict(zip(train.ids, train.metadata["owner"], strict=True)) == {
        f"train/{NFC}/a.png": NFC,
        "train/x/b.png": "007",
    }
    write(tmp_path / "train" / "metadata.ndjson", b"")
    write(tmp_path / "train" / ("metadata.csv" if table != "metadata.csv" else "metadata.jsonl"), b"x")
    with pytest.raises(InputError, match=r"one table of metadata in .*train, got .*csv and .*\. Keep one"):
        Folder(str(tmp_path / "train"), str(tmp_path / "test")).load()


@pytest.mark.parametrize("ending", [".csv", ".txt", ".jsonl", ".parquet"])
def test_metadata_of_any_table_and_form(ending: str, tmp_path: Path) -> None:
    images(tmp_path, f"train/{NFC}/a.png", f"test/{NFC}/a.png")
    row = {"id": f"train\\{NFD}\\a.png", "owner": NFD}
    table = tmp_path / f"owners{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist([row]), table)
    else:
        text = json.dumps(row) if ending == ".jsonl" else f"id,owner\n{row['id']},{NFD}\n"
        write(table, text.encode())
    source = WithMetadata(Folder(str(tmp_path / "train"), str(tmp_path / "test")), str(table))
    assert source.load()[0].metadata == {"owner": [NFC]}


@pytest.mark.parametrize(
    "junk", ["__MACOSX/a.png", "x/@eaDir/a.png/THUMB.jpg", ".ipynb_checkpoints/a.png", "lost+found/a.png"]
)
def test_files_of_the_system_are_no_images_and_noted(
    junk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.data.sources.folder.rank_zero_info", notes.append)
    images(tmp_path, "train/x/a.png", f"train/{junk}", "test/x/a.png", "train/x/Thumbs.db", "train/x/.b.png")
    write(tmp_path / "train" / "x" / "notes.txt", b"text")
    train, _ = Folder(str(tmp_path / "train"), str(tmp_path / "test")).load()
    assert (train.ids, train.class_names) == (["train/x/a.png"], ["x"])
    (note,) = notes
    assert note.startswith("3 files in ")
    assert junk in note


OTHERS = [f"a.{name}" for name in ("dds", "icns", "im", "xbm", "msp", "wmf", "fits", "pdf", "svg", "raw", "cur")]


@pytest.mark.parametrize("name", ["a.heic", "a.HEIC", "photo", "a.jpg_large", *OTHERS])
def test_an_image_that_is_not_read_is_named_or_skipped(name: str, tmp_path: Path) -> None:
    images(tmp_path, "train/x/b.png", f"train/x/{name}", "test/x/a.png")
    if name in OTHERS:  # by the suffix alone
        write(tmp_path / "train" / "x" / name, b"unknown bytes")
    folders = str(tmp_path / "train"), str(tmp_path / "test")
    with pytest.raises(InputError, match=rf"got 1 of 3 that cannot: .*{name} \(no suffix of a format that is read\)"):
        Folder(*folders).load()
    with pytest.warns(UserWarning, match="1 of 3 images cannot be used"):
        assert Folder(*folders, on_error="skip").load()[0].ids == ["train/x/b.png"]
