"""Any table, folder or tar of odd but legal names gives exactly its images, or they are counted or refused."""

import csv
import io
import json
import re
import tarfile
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import encoded

from unlearning_pl.data import Folder, ImageTable, Shards, Source
from unlearning_pl.errors import InputError

# Letters of names that something has stumbled over: quotes, separators, line ends, dots, both Unicode forms.
ODD = st.text(
    st.sampled_from(list("ab01.-_ \t\n\r\\\"',;|#%=[]\u00e9e\u0301\u2028\x85\u732b\u212a")), min_size=1, max_size=5
)
NAME = ODD.filter(lambda name: name not in (".", ".."))
ODD_CELLS = ["001", "1.0", "nan", "null", "True", "2024-05-01", "-0", "0", "7", '"', '""', '"a"', 'a "b"', " x ", " "]
CELL = ODD | st.sampled_from(ODD_CELLS)
PROPERTY = settings(max_examples=25, deadline=None, derandomize=True)

Row = tuple[str, str, str]  # file, label, caption
Images = dict[int, tuple[str, tuple[str, ...]]]  # class and captions by the number that the pixel tells


def png(number: int) -> bytes:
    return encoded(np.full((1, 1, 3), number, dtype=np.uint8))


def load(source: Source) -> tuple[Images, int] | None:
    """Images of the training part, and how many images warnings count as left out; None if the source is refused."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            train, _ = source.load()
        except InputError:
            return None
    counts = [re.match(r"(\d+) of \d+ images", str(one.message)) for one in told]
    assert all(counts), [str(one.message) for one in told]
    names = [train.class_names[target] if train.class_names else "" for target in train.targets.tolist()]
    captions: Any = train.captions or [()] * len(train)
    pixels: Any = train.images
    images = {int(pixels[row, 0, 0, 0]): (names[row], captions[row]) for row in range(len(train))}
    assert len(images) == len(train)
    return images, sum(int(count[1]) for count in counts if count)


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())


def put(place: Path, content: bytes) -> bool:
    """Write a file; False if the system has no such name."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    except OSError:
        return False
    return True


def separated(separator: str, quoting: Any) -> Callable[[Path, Sequence[Row]], None]:
    def write(place: Path, rows: Sequence[Row]) -> None:
        with place.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=separator, quoting=quoting).writerows([("image", "label", "caption"), *rows])

    return write


def unquoted(place: Path, rows: Sequence[Row]) -> None:
    lines = ["\t".join(row) for row in [("image", "label", "caption"), *rows]]
    place.write_bytes("".join(f"{line}\n" for line in lines).encode())


def json_lines(place: Path, rows: Sequence[Row]) -> None:
    lines = [json.dumps(dict(zip(("image", "label", "caption"), row, strict=True))) for row in rows]
    place.write_text("\n".join(lines))


def parquet(place: Path, rows: Sequence[Row]) -> None:
    image, label, caption = zip(*rows, strict=True)
    kind = pa.string_view() if len(rows) % 2 else pa.large_string()
    pq.write_table(pa.table({"image": image, "label": pa.array(label).cast(kind), "caption": caption}), place)


WRITERS = {
    "a.csv": separated(",", csv.QUOTE_MINIMAL),
    "a.txt": separated("|", csv.QUOTE_ALL),
    "b.csv": separated(";", csv.QUOTE_MINIMAL),
    "a.tsv": separated("\t", csv.QUOTE_MINIMAL),
    "b.tsv": unquoted,
    "a.jsonl": json_lines,
    "a.parquet": parquet,
}


@PROPERTY
@pytest.mark.parametrize("kind", WRITERS)
@given(rows=st.lists(st.tuples(NAME, CELL, CELL), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_a_table(kind: str, tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    root = tmp_path_factory.mktemp("table")
    rows = [(f"{name}.png", label, caption) for name, label, caption in rows]
    for number, (name, _, _) in enumerate(rows):
        assert put(root / name, png(number))
    WRITERS[kind](root / kind, rows)
    put(root / "held" / "t.png", png(200))
    json_lines(root / "held" / "t.jsonl", [("t.png", rows[0][1].strip(), "held out")])
    read = load(ImageTable(str(root / kind), str(root / "held" / "t.jsonl"), on_error="skip"))
    if read is None:
        return
    images, left_out = read
    assert len(images) + left_out == len(rows)
    # Quotes around a whole value of an unquoted file cannot be told from those that a writer added.
    marks = '"' if kind == "b.tsv" else ""
    for number, (name, captions) in images.items():
        _, label, caption = rows[number]
        assert name in (composed(label), composed(label.strip(marks or "\0")))
        assert captions in ((caption,), (caption.strip(marks or "\0"),))


@PROPERTY
@given(files=st.lists(st.tuples(NAME, NAME, st.sampled_from((".png", ".PNG", "", ".heic"))), min_size=1, max_size=6))
def test_a_folder(tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, str, str]]) -> None:
    root = tmp_path_factory.mktemp("folder")
    names = list(dict.fromkeys((kind, name + suffix) for kind, name, suffix in files))
    for number, (kind, name) in enumerate(names):
        assert put(root / "train" / kind / name, png(number))
        put(root / "test" / kind / "t.png", png(200))
    read = load(Folder(str(root / "train"), str(root / "test"), on_error="skip"))
    hidden = [number for number, (kind, name) in enumerate(names) if kind.startswith(".") or name.startswith(".")]
    if read is not None:
        images, left_out = read
        assert len(images) + left_out == len(names) - len(hidden)
        assert all(kind == unicodedata.normalize("NFC", names[number][0]) for number, (kind, _) in images.items())


ENDINGS = (".png", ".PNG", ".x.png", ".heic", "")


@PROPERTY
@given(rows=st.lists(st.tuples(ODD, CELL, CELL, st.sampled_from(ENDINGS)), min_size=1, max_size=5))
def test_a_tar(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str, str]]) -> None:
    root = tmp_path_factory.mktemp("tar")

    def shard(name: str, samples: Sequence[tuple[str, str, str, str]], first: int) -> str:
        with tarfile.open(root / name, "w") as archive:
            for number, (key, label, caption, ending) in enumerate(samples, first):
                files = {ending: png(number), ".cls": label.encode(), ".txt": caption.encode()}
                for kind, data in files.items():
                    member = tarfile.TarInfo(key + kind)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return str(root / name)

    test = shard("b.tar", [("t", label, "x", ".png") for _, label, _, _ in rows[:1]], 200)
    read = load(Shards(shard("a.tar", rows, 0), test, on_error="skip"))
    hidden = [row for row in rows if any(part.startswith(".") for part in row[0].replace("\\", "/").split("/"))]
    if read is not None:
        images, left_out = read
        assert len(images) + left_out >= len(rows) - len(hidden)
        assert all(kind == composed(rows[number][1]) for number, (kind, _) in images.items())
        for number, (_, captions) in images.items():
            assert list(captions) == [line.strip() for line in rows[number][2].splitlines() if line.strip()]
