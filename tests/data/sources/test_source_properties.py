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
LETTERS = list("ab01.-_ \t\n\r\\\"',;|#%=[]\u00e9e\u0301\u2028\x85\u732b\u212a")
ODD = st.text(st.sampled_from(LETTERS), min_size=1, max_size=5)
NAME = ODD.filter(lambda name: name not in (".", ".."))
ODD_CELLS = ["001", "1.0", "nan", "null", "True", "2024-05-01", "-0", "0", "7", '"', '""', '"a"', 'a "b"', " x ", " "]
CELL = ODD | st.sampled_from(ODD_CELLS)
# Names of classes, which some spaces and a Unicode form change, or numbers.
CLASSES = st.lists(CELL.filter(str.strip), max_size=2).map(lambda found: [" cat ", "e\u0301", *found])
CLASSES |= st.just(["0 ", "1"])

Row = tuple[str, str, str]  # file, label, caption
Images = dict[int, tuple[str, tuple[str, ...]]]  # class and captions by the number that the pixel tells


def png(number: int) -> bytes:
    return encoded(np.full((1, 1, 3), number, dtype=np.uint8))


def most_are_read(examples: st.SearchStrategy[Any], is_read: Callable[[Any], bool], share: float = 0.9) -> None:
    """Check all examples: each is read as it should be, or refused."""
    read: list[bool] = []

    @settings(max_examples=40, deadline=None, derandomize=True)
    @given(examples)
    def check(example: Any) -> None:
        read.append(is_read(example))

    check()
    assert sum(read) >= share * len(read), f"{sum(read)} of {len(read)} are read"


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
            for row in [("image", "label", "caption"), *rows]:
                csv.writer(file, delimiter=separator, quoting=quoting).writerow(row)
                file.write("\n" * (len(row[2]) % 2))

    return write


def unquoted(place: Path, rows: Sequence[Row]) -> None:
    lines = ["\t".join(row) for row in [("image", "label", "caption"), *rows]]
    place.write_bytes("".join(f"{line}\n" for line in lines).encode())


def json_lines(place: Path, rows: Sequence[Row]) -> None:
    """Captions are texts and lists, other keys numbers, lists and objects."""
    objects = [
        {"image": image, "label": label, "caption": [caption] if row % 2 else caption, "row": row, "box": [{"x": row}]}
        for row, (image, label, caption) in enumerate(rows)
    ]
    place.write_text("\n\n".join(map(json.dumps, objects)))


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


def without_layout(cell: str) -> str:
    """A cell that unquoted text can hold: quotes around a whole one could not be told from those that a writer adds."""
    cell = re.sub("[\t\r\n]", "", cell)
    return cell.rstrip('"') if cell.startswith('"') else cell


@st.composite
def tables(draw: st.DrawFn, kind: str) -> list[Row]:
    """Rows with names of their own, several of each class."""
    names = draw(st.lists(NAME, min_size=3, max_size=6, unique_by=lambda name: composed(name).replace("\\", "/")))
    classes = draw(CLASSES)
    captions = CELL if kind != "b.tsv" else CELL | st.sampled_from(['"opens', 'closes"'])
    rows = [(f"{name}.png", classes[row % len(classes)], draw(captions)) for row, name in enumerate(names)]
    if kind != "b.tsv":
        return rows
    return [
        (without_layout(name).strip('"'), without_layout(label).strip('"') or "x", without_layout(caption) or "x")
        for name, label, caption in rows
    ]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_table(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    def is_read(rows: list[Row]) -> bool:
        root = tmp_path_factory.mktemp("table")
        numbers = {name: number for number, (name, _, _) in enumerate(rows)}
        if len(numbers) < len(rows):
            return False
        assert all(put(root / name, png(number)) for name, number in numbers.items())
        WRITERS[kind](root / kind, rows)
        put(root / "held" / "t.png", png(200))
        WRITERS[kind](root / "held" / kind, [("t.png", rows[0][1], "held out")])
        read = load(ImageTable(str(root / kind), str(root / "held" / kind), on_error="skip"))
        if read is None:
            return False
        usable = [row for row in rows if row[1].strip() and row[2].strip()]
        expected = {numbers[name]: (composed(label), (caption,)) for name, label, caption in usable}
        assert read == (expected, len(rows) - len(usable))
        return True

    most_are_read(tables(kind), is_read, share=0.5)


ENDINGS = (".png", ".PNG", ".x.png", ".heic", "")
FILES = st.lists(
    st.tuples(st.integers(0, 2), NAME, st.sampled_from(ENDINGS)),
    max_size=6,
    unique_by=lambda file: composed(f"{file[0]}/{file[1]}"),
)
FOLDERS = st.lists(NAME.filter(lambda name: name[0] != "."), min_size=3, max_size=3, unique_by=composed)


def test_a_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    def is_read(example: tuple[list[str], list[tuple[int, str, str]]]) -> bool:
        folders, files = example
        root = tmp_path_factory.mktemp("folder")
        every = [*((kind, f"first{kind}", ".png") for kind in range(3)), *files]
        for number, (kind, name, ending) in enumerate(every):
            assert put(root / "train" / folders[kind] / (name + ending), png(number))
            put(root / "test" / folders[kind] / "t.png", png(200))
        read = load(Folder(str(root / "train"), str(root / "test"), on_error="skip"))
        if read is None:
            return False
        seen = [(number, *file) for number, file in enumerate(every) if not file[1].startswith(".")]
        expected = {
            number: (unicodedata.normalize("NFC", folders[kind]), ())
            for number, kind, _, ending in seen
            if ending.lower().endswith(".png")
        }
        assert read == (expected, len(seen) - len(expected))
        return True

    most_are_read(st.tuples(FOLDERS, FILES), is_read)


KEYS = st.lists(
    ODD.filter(lambda key: key[-1] not in "\\." and key[0] != "\\"),
    min_size=2,
    max_size=5,
    unique_by=lambda key: composed(key).replace("\\", "/"),
)


@st.composite
def tars(draw: st.DrawFn) -> list[tuple[str, str, str, str]]:
    classes = draw(CLASSES)
    return [
        (key, classes[row % len(classes)], f"c{draw(CELL)}", draw(st.sampled_from(ENDINGS)) if row else ".png")
        for row, key in enumerate(["first", *draw(KEYS)])
    ]


def test_a_tar(tmp_path_factory: pytest.TempPathFactory) -> None:
    def shard(place: Path, samples: Sequence[tuple[str, str, str, str]], first: int) -> str:
        with tarfile.open(place, "w") as archive:
            for number, (key, label, caption, ending) in enumerate(samples, first):
                files = {ending: png(number), ".cls": label.encode(), ".txt": caption.encode()}
                for kind, data in files.items():
                    member = tarfile.TarInfo(key + kind)
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
        return str(place)

    def is_read(rows: list[tuple[str, str, str, str]]) -> bool:
        root = tmp_path_factory.mktemp("tar")
        test = shard(root / "b.tar", [("t", rows[0][1], "x", ".png")], 200)
        read = load(Shards(shard(root / "a.tar", rows, 0), test, on_error="skip"))
        if read is None:
            return False
        expected, left_out = {}, 0
        for number, (key, label, caption, ending) in enumerate(rows):
            parts = unicodedata.normalize("NFC", key).replace("\\", "/").split("/")
            if any(part.startswith(".") and part not in (".", "..") for part in parts):
                continue
            if "." not in parts[-1] and ending.lower() == ".png":
                lines = tuple(line.strip() for line in caption.splitlines() if line.strip())
                expected[number] = (composed(label), lines)
            else:  # the image, and what lies beside it and has none
                left_out += 1 if "." in parts[-1] else 2
        assert read == (expected, left_out)
        return True

    most_are_read(tars(), is_read)
