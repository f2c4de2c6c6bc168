import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unlearning_pl.data import ImageTable
from unlearning_pl.errors import InputError
from unlearning_pl.images.encoded_images import EncodedImages
from unlearning_pl.tables.table_files import read_table

# As Flickr8k's: captions end in " .", some hold commas, and one is quoted within quotes.
CAPTIONS = """image,caption
1000_a.jpg,A child in a pink dress is climbing up a set of stairs in an entry way .
1000_a.jpg,A girl going into a wooden building .
1001_b.jpg,"A black dog, and a spotted dog, are fighting"
1001_b.jpg,"\"\"Hello\"\" , says a dog ."
1002_c.jpg,A little girl covered in paint .
"""
NAMES = ["1000_a.jpg", "1001_b.jpg", "1002_c.jpg"]


def write_images(folder: Path, names: Iterable[str] = NAMES) -> dict[str, np.ndarray]:
    """A lossless image a name: the format is in the bytes, not in the name."""
    pixels = {}
    for seed, name in enumerate(names):
        pixels[name] = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[name]).save(folder / name, "png")
    return pixels


def table(folder: Path, text: str, name: str = "test.csv", encoding: str = "utf-8") -> str:
    (folder / name).write_text(text, encoding=encoding)
    return str(folder / name)


@pytest.fixture
def other(tmp_path: Path) -> str:
    """A table with one test image in a folder of its own."""
    write_images(tmp_path / "held", ["t.png"])
    return table(tmp_path / "held", "image,caption\nt.png,held out\n")


def test_captions_of_flickr8k_are_read_as_published(tmp_path: Path) -> None:
    pixels = write_images(tmp_path / "Images")
    train = table(tmp_path, CAPTIONS, "captions.txt")
    test = table(tmp_path, "1001_b.jpg\n", "Flickr_8k.testImages.txt")
    first, second = ImageTable(train, test, images=str(tmp_path / "Images")).load()
    assert first.ids == ["train/1000_a.jpg", "train/1002_c.jpg"]
    assert second.ids == ["test/1001_b.jpg"]
    assert first.captions == [
        (
            "A child in a pink dress is climbing up a set of stairs in an entry way .",
            "A girl going into a wooden building .",
        ),
        ("A little girl covered in paint .",),
    ]
    assert second.captions == [("A black dog, and a spotted dog, are fighting", '"Hello" , says a dog .')]
    for part in (first, second):
        expected = np.stack([pixels[name.split("/")[1]] for name in part.ids])
        np.testing.assert_array_equal(part.images.numpy(), expected.transpose(0, 3, 1, 2))
        assert (part.class_names, part.metadata, part.targets.tolist()) == ([], {}, [0] * len(part))


@pytest.mark.parametrize("separator", [",", "\t", "|", ";"])
def test_columns_become_classes_and_metadata(separator: str, other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["x/a.png", "x/b.png", "c.png"])
    rows = [
        ["file_name", " class", "owner", "share", "kept", "place", "taken"],
        ["x/a.png", "dog", "17", "0.5", "true", "Köln", "2024-02-29"],
        ["x/b.png", "cat", "", "1", "false", "17", "2024-03-01"],
        ["./c.png", "dog", "4", "2", "true", "", "2024-03-02"],
    ]
    train = table(tmp_path, "\n".join(separator.join(row) for row in rows), encoding="utf-8-sig")
    test = table(Path(other).parent, "file_name,class\nt.png,eel")
    first, second = ImageTable(train, test).load()
    assert first.ids == ["train/x/a.png", "train/x/b.png", "train/c.png"]
    assert first.class_names == second.class_names == ["cat", "dog", "eel"]
    assert (first.targets.tolist(), second.targets.tolist()) == ([1, 0, 1], [2])
    assert first.captions is None
    assert first.metadata == {
        "owner": [17, None, 4],
        "share": [0.5, 1.0, 2.0],
        "kept": [True, False, True],
        "place": ["Köln", "17", ""],
        "taken": ["2024-02-29", "2024-03-01", "2024-03-02"],
    }


def test_a_parquet_table_without_images_is_read(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    captions = [["a cat", "a cat, asleep", "a cat"], ["a dog"]]
    columns = {"path": ["a.png", "b.png"], "captions": captions, "box": [[1], [2]], "label": [1, 0]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    test = table(Path(other).parent, "path,text,label\nt.png,7,1\n")
    first, second = ImageTable(str(tmp_path / "a.parquet"), test).load()
    assert first.captions == [("a cat", "a cat, asleep"), ("a dog",)]
    assert second.captions == [("7",)]
    assert (first.class_names, first.targets.tolist()) == (["0", "1"], [1, 0])
    assert first.metadata == {}


def test_repeated_rows_are_one_caption_and_what_differs_is_no_metadata(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    text = "image|comment|caption|owner\na.png|0|one|7\nb.png|0|two|8\na.png|1|three|7\na.png|2|one|7\n"
    with pytest.warns(UserWarning, match=r"column comment of .*train.csv differs between rows of one image"):
        first, _ = ImageTable(table(tmp_path, text, "train.csv"), other).load()
    assert first.captions == [("one", "three"), ("two",)]
    assert first.metadata == {"owner": [7, 8]}


def test_missing_files_are_counted_named_and_left_out_on_demand(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["b.png"])
    (tmp_path / "folder.png").mkdir()
    rows = "image,caption,owner\na.png,one,1\nb.png,two,2\nfolder.png,three,3\nc.png,four,4\n"
    train = table(tmp_path, rows, "train.csv")
    with pytest.raises(
        InputError, match=r"got 3 of 5 that it does not: .*a\.png \(.*folder\.png \(.*c\.png \("
    ) as told:
        ImageTable(train, other).load()
    assert len(str(told.value).splitlines()) == 1
    with pytest.warns(UserWarning, match=r"3 of 5 images are corrupt and left out: .*a\.png"):
        first, _ = ImageTable(train, other, on_error="skip").load()
    assert (first.ids, first.captions, first.metadata) == (["train/b.png"], [("two",)], {"owner": [2]})


def test_a_table_can_be_streamed(other: str, tmp_path: Path) -> None:
    pixels = write_images(tmp_path, ["a.png", "b.png"])
    train = table(tmp_path, "image,caption\nb.png,two\na.png,one\n", "train.csv")
    first, _ = ImageTable(train, other, image_size=6, storage="stream").load()
    assert isinstance(first.images, EncodedImages)
    expected = np.stack([pixels["a.png"], pixels["b.png"]]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(first.images.read(torch.tensor([1, 0])).numpy(), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names of the columns in the first line of .*, got none"),
        ("image,caption\n", "table with rows, got none in"),
        ("picture,caption\na,x\n", "column image, .* or path with paths of images in .*, got picture: string, caption"),
        ("image,image\na.png,x\n", "names of the columns in the first line of .*, got image, image"),
        ("image,caption\na.png,one, two\n", "row of .* to have 2 columns, got 3 values in line 2"),
        ("image,caption\na.png,\n", r"got 1 of 2 that cannot: .*a\.png \(a caption of it is empty\)"),
        ("image,caption\na.png,x\n ,y\n", r"1 of 3 that cannot: .*train.csv row 1 \(it has no path of an image\)"),
        ("image,label\na.png,0.5\n", "names or whole numbers of classes in the column label of .*, got 0.5"),
        ("image,label\na.png,x\n", "labels of all images or of none"),
        ("image,caption\nheld/t.png,x\n", r"not trained on, got 1 that are, first .*held/t\.png"),
    ],
)
def test_tables_that_cannot_be_used_are_told_in_one_line(text: str, message: str, other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    with pytest.raises(InputError, match=message) as told:
        ImageTable(table(tmp_path, text, "train.csv"), other).load()
    assert len(str(told.value).splitlines()) == 1


def test_other_encodings_and_absent_files_are_told(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    with pytest.raises(InputError, match=r"train.csv, which cannot be read .*UTF8.* Save it as UTF-8"):
        ImageTable(table(tmp_path, "image,caption\na.png,Köln\n", "train.csv", "latin-1"), other).load()
    with pytest.raises(InputError, match=r"Expected a table, got .*none.tsv, which is no file"):
        ImageTable(str(tmp_path / "none.tsv"), other).load()
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"a.parquet, which cannot be read"):
        ImageTable(str(tmp_path / "a.parquet"), other).load()


def test_a_list_of_test_images_must_be_of_the_table(tmp_path: Path) -> None:
    write_images(tmp_path)
    train = table(tmp_path, CAPTIONS, "captions.txt")
    with pytest.raises(InputError, match=r"images of .*captions.txt in .*list.txt, got 2 others, first x.jpg"):
        ImageTable(train, table(tmp_path, "x.jpg\n1000_a.jpg\ny.jpg\n", "list.txt")).load()
    with pytest.raises(InputError, match=r"Expected train images, got none of .*captions.txt"):
        ImageTable(train, table(tmp_path, "\n".join(NAMES), "list.txt")).load()


def test_no_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="image_size >= 1, got 0"):
        ImageTable("a.csv", "b.csv", image_size=0)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS | st.just('a "b", c\nd | e')), min_size=1), st.sampled_from(",\t|;"))
def test_what_a_writer_quotes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], separator: str
) -> None:
    rows = [(f"{name}.png", caption) for name, caption in rows]  # a line without the name of an image is no row
    file = tmp_path_factory.mktemp("tables") / "a.csv"
    with file.open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened, delimiter=separator).writerows([("image", "caption"), *rows])
    read = read_table(file, ("image", "caption"))
    assert list(zip(read["image"].to_pylist(), read["caption"].to_pylist(), strict=True)) == rows


def test_captions_of_one_part_alone_are_refused(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png"])
    for train in (table(tmp_path, "image\na.png\n"), table(tmp_path, "image,title\na.png,x\n")):
        held = (
            table(Path(other).parent, "image,owner\nt.png,1\n", "u.csv")
            if "title" in Path(train).read_text()
            else other
        )
        with pytest.raises(InputError, match="captions of all images or of none"):
            ImageTable(train, held).load()


def test_spaces_around_metadata_of_a_text_table_do_not_count(other: str, tmp_path: Path) -> None:
    write_images(tmp_path, ["a.png", "b.png"])
    text = "image,caption,camera,taken,title\na.png,x, front,2020-01-01T09:00:00, t\nb.png,y,front ,12:30, \n"
    first, _ = ImageTable(table(tmp_path, text, "a.csv"), other).load()
    taken = ["2020-01-01T09:00:00", "12:30"]
    assert first.metadata == {"camera": ["front", "front"], "taken": taken, "title": ["t", ""]}
