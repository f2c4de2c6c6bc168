import datetime
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from unlearning_pl.data import Parquet
from unlearning_pl.errors import InputError

CIFAR = Path(__file__).parents[4] / "shared" / "data" / "cifar10"
FLICKR = CIFAR.with_name("flickr8k")
SCHEMA = pa.schema(
    {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "label": pa.int64(),
        "other": pa.int64(),
    }
)


def copied(file: str) -> str:
    return shutil.copy(file, f"{file}.copy.parquet")


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "png")
    return buffer.getvalue()


def pixels(n: int, height: int = 4, width: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)


def write(
    file: Path,
    images: Any,
    *,
    labels: list[Any] | None = None,
    paths: list[str | None] | None = None,
    names: list[str] | None = None,
    group: int = 2,
) -> str:
    encoded = [image if isinstance(image, bytes) or image is None else png(image) for image in images]
    paths = paths or [None] * len(encoded)
    rows = [
        {"image": {"bytes": data, "path": path}, "label": label, "other": 0}
        for data, path, label in zip(encoded, paths, labels or [0] * len(encoded), strict=True)
    ]
    schema = SCHEMA
    if names:
        metadata = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}
        schema = SCHEMA.with_metadata({"huggingface": json.dumps(metadata)})
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file, row_group_size=group)
    return str(file)


def test_pixels_labels_names_and_ids_come_back(tmp_path: Path) -> None:
    kept, held = pixels(3), pixels(2, seed=1)
    train = write(
        tmp_path / "a.parquet",
        kept,
        labels=[1, 0, 1],
        paths=["x.png", "y.png", "z.png"],
        names=["cat", "dog"],
    )
    test = write(tmp_path / "b.parquet", held, labels=[0, 1], paths=["x.png", "x.png"], names=["cat", "dog"])
    first, second = Parquet(train, test).load()
    np.testing.assert_array_equal(first.images.numpy(), kept.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(second.images.numpy(), held.transpose(0, 3, 1, 2))
    assert first.targets.tolist() == [1, 0, 1]
    assert first.class_names == second.class_names == ["cat", "dog"]
    assert first.ids == ["train/x.png", "train/y.png", "train/z.png"]
    assert second.ids == ["test/0", "test/1"]  # a repeated path names nothing


def test_a_path_that_is_missing_gives_positions(tmp_path: Path) -> None:
    train = write(tmp_path / "a.parquet", pixels(2), paths=["x.png", None])
    assert Parquet(train, copied(train)).load()[0].ids == ["train/0", "train/1"]


def test_label_numbers_are_the_names_without_metadata(tmp_path: Path) -> None:
    train = write(tmp_path / "a.parquet", pixels(4), labels=[0, 1, 3, 0])
    test = write(tmp_path / "b.parquet", pixels(2), labels=[0, 3])
    assert [part.class_names for part in Parquet(train, test).load()] == [["0", "1", "2", "3"]] * 2


@pytest.mark.parametrize("where", ["parts", "parts/*.parquet", "**/part-*.parquet"])
def test_folders_and_globs_are_read_in_sorted_order(where: str, tmp_path: Path) -> None:
    images = pixels(4)
    write(tmp_path / "parts" / "part-1.parquet", images[2:])
    write(tmp_path / "parts" / "part-0.parquet", images[:2])
    test = write(tmp_path / "test.parquet", images[:1])
    train, _ = Parquet(str(tmp_path / where), test).load()
    np.testing.assert_array_equal(train.images.numpy(), images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_only_what_is_taken_is_read(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pixels(6)
    write(tmp_path / "p" / "0.parquet", [*images[:3]], group=2)
    write(tmp_path / "p" / "1.parquet", [*images[3:5], b"never decoded"], group=2)
    (tmp_path / "p" / "2.parquet").write_text("never opened")
    test = write(tmp_path / "test.parquet", images[:1])
    groups: list[int] = []
    read = pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, group, **options: (groups.append(group), read(file, group, **options))[1],
    )
    train, _ = Parquet(str(tmp_path / "p"), test, train_size=size).load()
    np.testing.assert_array_equal(train.images.numpy(), images[:size].transpose(0, 3, 1, 2))
    assert len(groups) - 1 == {1: 1, 2: 1, 3: 2, 5: 3}[size]  # one of them is the test file's


def test_image_size_takes_the_largest_square_and_resizes_as_pillow_does(tmp_path: Path) -> None:
    mixed = [pixels(1, 4, 6)[0], pixels(1, 9, 7)[0]]
    file = write(tmp_path / "a.parquet", mixed)
    train, _ = Parquet(file, copied(file), image_size=6).load()
    expected = [
        np.asarray(Image.fromarray(image).resize((6, 6), Image.Resampling.BILINEAR, square))
        for image, square in zip(mixed, [(1, 0, 5, 4), (0, 1, 7, 8)], strict=True)
    ]
    np.testing.assert_array_equal(train.images.numpy(), np.stack(expected).transpose(0, 3, 1, 2))


def test_gray_images_become_rgb(tmp_path: Path) -> None:
    gray = pixels(1)[0, :, :, 0]
    file = write(tmp_path / "a.parquet", [gray])
    train, _ = Parquet(file, copied(file)).load()
    np.testing.assert_array_equal(train.images[0].numpy(), np.stack([gray] * 3))


def broken(tmp_path: Path) -> dict[str, tuple[str, str]]:
    good = pixels(2)
    truncated = tmp_path / "truncated.parquet"
    truncated.write_bytes(Path(write(tmp_path / "whole.parquet", good)).read_bytes()[:-9])
    empty = tmp_path / "empty"
    empty.mkdir()
    columns = {"img": [1], "label": [1]}
    pq.write_table(pa.table(columns), tmp_path / "columns.parquet")
    image = pa.array([{"bytes": png(good[0]), "path": None}], SCHEMA.field(0).type)
    pq.write_table(pa.table({"image": image, "label": [0.5]}), tmp_path / "half.parquet")
    pq.write_table(pa.table({"image": image, "label": ["cat"]}), tmp_path / "text.parquet")
    pq.write_table(pa.table({"image": image}), tmp_path / "bare.parquet")
    cut = png(good[0])[:40]
    return {
        "missing": (str(tmp_path / "none.parquet"), r"train='.*none.parquet', got none"),
        "glob": (str(tmp_path / "none-*"), "got none"),
        "folder": (str(empty), "got none"),
        "file": (str(truncated), r"got .*truncated.parquet, which cannot be read"),
        "column": (str(tmp_path / "columns.parquet"), r"column image: .*columns.parquet, got img, label"),
        "half": (str(tmp_path / "half.parquet"), r"column label: int64 or string in .*half.parquet, got double"),
        "text": (str(tmp_path / "text.parquet"), r"name of a class, got 0 in .*test.parquet row 0"),
        "bare": (str(tmp_path / "bare.parquet"), r"of all images or of none.*none at .*bare.parquet row 0"),
        "corrupt": (
            write(tmp_path / "c.parquet", [good[0], cut]),
            r"Pillow reads, got 1 of 3 that it does not: .*c.parquet row 1 \(",
        ),
        "no_bytes": (
            write(tmp_path / "n.parquet", [good[0], good[1], None]),
            r"got 1 of 4 that it does not: .*n.parquet row 2 \(it is empty",
        ),
        "sizes": (
            write(tmp_path / "s.parquet", [good[0], pixels(1, 6, 7)[0]]),
            r"one size, 5x4 as in .*s.parquet row 0, got 7x6 in .*s.parquet row 1. Set image_size",
        ),
        "label": (
            write(tmp_path / "l.parquet", good, labels=[0, 2], names=["cat", "dog"]),
            r"l.parquet row 1 \(label 2 is not from 0 to 1\)",
        ),
        "null": (write(tmp_path / "u.parquet", good, labels=[0, None]), r"u.parquet row 1 \(its label is missing\)"),
    }


CASES = "missing glob folder file column half text bare corrupt no_bytes sizes label null"


@pytest.mark.parametrize("case", CASES.split())
def test_bad_input_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    train, message = broken(tmp_path)[case]
    names = ["cat", "dog"] if case == "label" else None
    test = write(tmp_path / "test.parquet", pixels(1), names=names)
    with pytest.raises(InputError, match=message) as caught:
        Parquet(train, test).load()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(("field", "size"), [("train_size", 0), ("test_size", 4)])
def test_sizes_that_are_not_there_are_refused(field: str, size: int, tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", pixels(3))
    with pytest.raises(InputError, match=rf"{field} from 1 to 3.*got {size}\."):
        Parquet(file, copied(file), **{field: size}).load()


def test_class_names_of_train_and_test_must_agree(tmp_path: Path) -> None:
    train = write(tmp_path / "a.parquet", pixels(1), names=["cat", "dog"])
    test = write(tmp_path / "b.parquet", pixels(1), names=["dog", "cat"])
    with pytest.raises(InputError, match="from one data set"):
        Parquet(train, test).load()


@pytest.mark.skipif(not CIFAR.is_dir(), reason=f"needs the real images in {CIFAR}")
def test_the_real_cifar10_is_read() -> None:
    train, test = Parquet(str(CIFAR / "train-*.parquet"), str(CIFAR / "test-*.parquet"), 2000, 100).load()
    assert tuple(train.images.shape) == (2000, 3, 32, 32)
    assert len(test) == 100
    assert train.class_names[:2] == ["airplane", "automobile"]
    # Its paths start with the name of a class of which "bird" is one: an independent check of the labels.
    assert all(name.split("/")[1] == train.class_names[k] for name, k in zip(train.ids, train.targets, strict=True))
    mean = (train.images / 255).mean((0, 2, 3))
    torch.testing.assert_close(mean, torch.tensor(Parquet.mean), atol=0.01, rtol=0)


def test_one_file_as_both_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.parquet", pixels(3))
    with pytest.raises(InputError, match=r"not trained on, got .*a\.parquet as both"):
        Parquet(file, file).load()


def test_a_wild_label_is_told_before_it_fills_the_memory(tmp_path: Path) -> None:
    train = write(tmp_path / "a.parquet", pixels(3), labels=[0, 1, 10**9])
    test = write(tmp_path / "b.parquet", pixels(3))
    with pytest.raises(InputError, match=r"labels below the number of images, 3, got 1000000000 in .*row 2"):
        Parquet(train, test).load()


def table(file: Path, n: int = 2, **columns: Any) -> str:
    """``n`` images, and columns with as many values each."""
    image = pa.array([{"bytes": png(one), "path": None} for one in pixels(n)], SCHEMA.field(0).type)
    pq.write_table(pa.table({"image": image, **columns}), file)
    return str(file)


def test_captions_and_other_columns_come_back(tmp_path: Path) -> None:
    captions = [["a cat", "a cat, asleep"], ["ein Hund, naß"]]
    columns = {
        "owner": [17, None],
        "share": [0.5, 1.0],
        "kept": [True, False],
        "place": pa.array(["Köln", "Ulm"]).dictionary_encode(),
        "taken": [datetime.date(2024, 2, 29), None],
        "box": [[1, 2], [3, 4]],  # not one plain value
    }
    file = table(tmp_path / "a.parquet", captions=captions, **columns)
    train, test = Parquet(file, copied(file)).load()
    assert train.captions == test.captions == [("a cat", "a cat, asleep"), ("ein Hund, naß",)]
    assert train.class_names == []
    assert train.targets.tolist() == [0, 0]
    assert train.metadata == {
        "owner": [17, None],
        "share": [0.5, 1.0],
        "kept": [True, False],
        "place": ["Köln", "Ulm"],
        "taken": ["2024-02-29", None],
    }


def test_one_caption_a_row_and_names_as_labels(tmp_path: Path) -> None:
    first = table(tmp_path / "a.parquet", 3, caption=["x", "y", "z"], label=["dog", "cat", "dog"])
    second = table(tmp_path / "b.parquet", 1, caption=["x"], label=["eel"])
    train, test = Parquet(first, second).load()
    assert train.captions == [("x",), ("y",), ("z",)]
    assert train.class_names == test.class_names == ["cat", "dog", "eel"]
    assert (train.targets.tolist(), test.targets.tolist()) == ([1, 0, 1], [2])


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([["a"], None], r"got 2 of 4 that cannot: .*a.parquet row 1 \(a caption of it is empty\)"),
        ([["a"], []], r"row 1 \(it has no caption\)"),
        ([["a"], ["b", " "]], r"row 1 \(a caption of it is empty\)"),
        ([["a"], ["b", None]], r"row 1 \(a caption of it is empty\)"),
        ([1, 2], r"column captions: string or list<string> in .*a.parquet, got int64"),
        ([[1], [2]], r"got list<.*int64>"),
    ],
)
def test_captions_that_say_nothing_are_refused(captions: Any, message: str, tmp_path: Path) -> None:
    file = table(tmp_path / "a.parquet", captions=captions)
    with pytest.raises(InputError, match=message) as caught:
        Parquet(file, copied(file)).load()
    assert len(str(caught.value).splitlines()) == 1


def test_corrupt_rows_are_left_out_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    good = pixels(4)
    train = write(tmp_path / "a.parquet", [good[0], png(good[1])[:50], None, good[3]], labels=[0, 1, 2, 3])
    test = write(tmp_path / "b.parquet", [b"", good[2]], labels=[2, 1], paths=["x.png", "y.png"])
    with pytest.warns(
        UserWarning, match=r"3 of 6 images are corrupt and left out: .*a.parquet row 1 .*b.parquet row 0"
    ):
        first, second = Parquet(train, test, on_error="skip").load()
    np.testing.assert_array_equal(first.images.numpy(), good[[0, 3]].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(second.images.numpy(), good[[2]].transpose(0, 3, 1, 2))
    assert (first.targets.tolist(), second.targets.tolist()) == ([0, 3], [1])
    assert (first.ids, second.ids) == (["train/0", "train/3"], ["test/y.png"])
    assert first.metadata == {"other": [0, 0]}


@pytest.mark.filterwarnings("ignore:.* images are corrupt and left out")
def test_a_part_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    train, test = write(tmp_path / "a.parquet", pixels(2)), write(tmp_path / "b.parquet", [b"", b"no"])
    with pytest.raises(InputError, match="training and test images, got 2 and 0 that can be read"):
        Parquet(train, test, on_error="skip").load()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": [0, 1], "owner": [1, 2]}, r"columns image, label of .*0.parquet in .*1.parquet too, got .*owner"),
        ({"label": ["cat", "dog"]}, r"columns of the same types as in .*0.parquet, got others"),
    ],
)
def test_files_of_other_columns_are_not_mixed(columns: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    table(tmp_path / "p" / "0.parquet", label=[0, 1])
    table(tmp_path / "p" / "1.parquet", **columns)
    test = table(tmp_path / "test.parquet", label=[0, 1])
    with pytest.raises(InputError, match=message):
        Parquet(str(tmp_path / "p"), test).load()


@pytest.mark.skipif(not FLICKR.is_dir(), reason=f"needs the real photographs in {FLICKR}")
def test_the_real_flickr8k_is_read() -> None:
    train, test = Parquet(str(FLICKR / "train.parquet"), str(FLICKR / "test.parquet"), 1001, 20).load()
    assert tuple(train.images.shape) == (1001, 3, 96, 96)
    assert train.captions is not None
    assert {len(texts) for texts in train.captions} == {5}
    assert train.class_names == []
    assert train.ids[0].startswith("train/")
    assert train.ids[0].endswith(".jpg")
    raw = pq.read_table(FLICKR / "train.parquet", columns=["captions"])["captions"]
    assert list(train.captions[1000]) == raw[1000].as_py()
    assert test.captions is not None
    assert "red" in " ".join(test.captions[0])


@pytest.mark.parametrize("name", ["label", "ima"])
def test_text_that_is_not_utf_8_is_told(name: str, tmp_path: Path) -> None:
    file = Path(table(tmp_path / "a.parquet", label=["cat", "dog"]))
    test = copied(str(file))
    odd = {"label": (b"dog", b"\xffog"), "ima": (b"image", b"ima\xffe")}[name]
    file.write_bytes(file.read_bytes().replace(*odd))
    with pytest.raises(
        InputError, match=r"got .*a\.parquet, (which cannot be read|where group 0 fails) \(.*(UTF8|utf-8)"
    ) as told:
        Parquet(str(file), test).load()
    assert "\n" not in str(told.value)


def test_a_file_without_rows_is_told(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"Expected rows of images in .*a\.parquet, got none"):
        Parquet(str(tmp_path / "a.parquet"), copied(str(tmp_path / "a.parquet"))).load()
