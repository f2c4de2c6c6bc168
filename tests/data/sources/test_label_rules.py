"""Rules of labels and captions, the same for every source (docs/data.md)."""

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources_of_rows import PARTS, SOURCES, images, png

from unlearning_pl.data import ImageTable, Parquet
from unlearning_pl.errors import InputError

pytestmark = pytest.mark.usefixtures("offline")


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("column", ["label", "caption"])
def test_what_lacks_a_label_or_a_caption_is_named_or_skipped(kind: str, column: str, tmp_path: Path) -> None:
    images(tmp_path, "a.png", "b.png", "c.png", "t.png")
    typed = kind not in ("csv", "tsv", "txt", "Shards")
    cells = ["x", None if typed else "", "x"]
    rows = [{"image": f"{name}.png", column: cell} for name, cell in zip("abc", cells, strict=True)]
    options = {"label": None} if kind == "Hub" and column == "caption" else {}
    source = SOURCES[kind](tmp_path, train=rows, test=[{"image": "t.png", column: "x"}])
    vars(source).update(options)
    with pytest.raises(InputError, match=r"got 1 of 4 that cannot: .*(its label is missing|caption).* on_error: skip"):
        source.load()
    vars(source)["on_error"] = "skip"
    with pytest.warns(UserWarning, match="1 of 4 images cannot be used and are left out"):
        train, _ = source.load()
    assert [name.removesuffix(".png")[-1] for name in train.ids] in (["a", "c"], ["0", "2"])


UNTYPED = [
    (["003", "3", "03"], ["003", "03", "3"]),
    (["1", "0", "2"], ["0", "1", "2"]),
    (["1", "cat", "0"], ["0", "1", "cat"]),
    (["True", "False", "true"], ["False", "True", "true"]),
    (["2024-05-01", "12:30", "2024-05-01"], ["12:30", "2024-05-01"]),
    (["null", "nan", "NA"], ["NA", "nan", "null"]),
    (["-0", "0", "x"], ["-0", "0", "x"]),
    (["1e5", "0x10", "1_0"], ["0x10", "1_0", "1e5"]),
]


@pytest.mark.parametrize(("labels", "expected"), UNTYPED)
@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "Shards"])
def test_labels_without_a_type(kind: str, labels: list[str], expected: list[str], tmp_path: Path) -> None:
    images(tmp_path, "0.png", "1.png", "2.png", "t.png")
    rows = [{"image": f"{row}.png", "label": label} for row, label in enumerate(labels)]
    train, _ = SOURCES[kind](tmp_path, train=rows, test=[{"image": "t.png", "label": labels[0]}]).load()
    assert train.class_names == expected
    assert [train.class_names[target] for target in train.targets] == labels


REFUSED = {
    "point": (["1.0", "0.0", "1"], r"names or whole numbers of classes in .*, got 1\.0"),
    "word among numbers": (["1", "nan", "0"], r"1 of 4 that cannot: .*1.* \(its label is missing\)"),
    "5 000 digits": (["0", "9" * 5000, "0"], r"\(its label is too large a number\)"),
    "more than 64 bits": (["0", str(2**64), "0"], r"\(its label is too large a number\)"),
    "negative": (["0", "-1", "0"], r"\(its label is negative\)"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", ["csv", "tsv", "txt", "Shards"])
def test_labels_that_mean_no_class(kind: str, case: str, tmp_path: Path) -> None:
    labels, message = REFUSED[case]
    images(tmp_path, "0.png", "1.png", "2.png", "t.png")
    rows = [{"image": f"{row}.png", "label": label} for row, label in enumerate(labels)]
    with pytest.raises(InputError, match=message) as caught:
        SOURCES[kind](tmp_path, train=rows, test=[{"image": "t.png", "label": labels[0]}]).load()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


TYPED: list[tuple[Any, list[str]]] = [
    (pa.array(["b", "a", "b"]).dictionary_encode(), ["a", "b"]),
    (pa.array(["b", "a", "b"], pa.string_view()), ["a", "b"]),
    (pa.array(["b", "a", "b"], pa.large_string()), ["a", "b"]),
    (pa.array(["1", "003", "nan"]), ["003", "1", "nan"]),
    (pa.array([2, 1, 1], pa.uint8()), ["0", "1", "2"]),
    (pa.array([2, 1, 1]).dictionary_encode(), ["0", "1", "2"]),
    (pa.array([True, False, True]), ["False", "True"]),
    (pa.array([datetime.date(2024, 5, 1)] * 3), ["2024-05-01"]),
    (pa.array([1.0, 0.0, 1.0]), []),
    (pa.array([None, None, None]), []),
    (pa.array([2**64 - 1, 0, 0], pa.uint64()), []),
]


@pytest.mark.parametrize(("labels", "expected"), TYPED)
@pytest.mark.parametrize("paths", [True, False])
def test_labels_with_a_type(paths: bool, labels: Any, expected: list[str], tmp_path: Path) -> None:
    images(tmp_path, "0.png", "1.png", "2.png")
    cells = [f"{row}.png" if paths else {"bytes": png(row), "path": None} for row in range(3)]
    for part in PARTS:
        pq.write_table(pa.table({"image": cells, "label": labels}), tmp_path / f"{part}.parquet")
        images(tmp_path / part, "0.png", "1.png", "2.png")
    files = [str(tmp_path / f"{part}.parquet") for part in PARTS]
    if paths:
        (tmp_path / "test.parquet").rename(tmp_path / "test" / "test.parquet")
        files[1] = str(tmp_path / "test" / "test.parquet")
    source = ImageTable(*files) if paths else Parquet(*files)
    if expected:
        assert source.load()[0].class_names == expected
    else:
        with pytest.raises(InputError, match=r"got double|its label is missing|too large a number"):
            source.load()
