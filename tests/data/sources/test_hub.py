"""The library reads folders that the tests write, without a network."""

import gc
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from unlearning_pl.data import Hub
from unlearning_pl.errors import InputError

datasets = pytest.importorskip("datasets", reason="needs the extra hub")


pytestmark = pytest.mark.usefixtures("offline")


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(seed)).save(file, "png")
    return file.getvalue()


def image_folder(root: Path) -> Path:
    """Two classes in each split, the images numbered through."""
    seed = 0
    for split, count in (("train", 2), ("test", 1)):
        for name in ("cat", "dog"):
            (root / split / name).mkdir(parents=True)
            for row in range(count):
                (root / split / name / f"{row}.png").write_bytes(png(seed))
                seed += 1
    return root


def parquet_folder(root: Path, **columns: Any) -> Path:
    """``train.parquet`` and ``test.parquet`` with two images each, as the library writes them."""
    features = {"picture": datasets.Image(), **{name: feature for name, (feature, _) in columns.items()}}
    values = {name: given for name, (_, given) in columns.items()}
    root.mkdir()
    for start, split in ((0, "train"), (2, "test")):
        images = [{"bytes": png(start + row), "path": f"{row}.png"} for row in range(2)]
        made = datasets.Dataset.from_dict({"picture": images, **values}, datasets.Features(features))
        made.to_parquet(root / f"{split}.parquet")
    return root


def test_a_folder_of_images_is_read(tmp_path: Path) -> None:
    train, test = Hub(str(image_folder(tmp_path / "pets"))).load()
    assert train.class_names == test.class_names == ["cat", "dog"]
    assert train.ids == ["train/cat/0.png", "train/cat/1.png", "train/dog/0.png", "train/dog/1.png"]
    assert test.ids == ["test/cat/0.png", "test/dog/0.png"]
    assert (train.targets.tolist(), test.targets.tolist()) == ([0, 0, 1, 1], [0, 1])
    expected = np.stack([pixels(seed) for seed in range(6)]).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(train.images.numpy(), expected[:4])
    np.testing.assert_array_equal(test.images.numpy(), expected[4:])


def test_parts_of_one_split_keep_their_ids(tmp_path: Path) -> None:
    name = str(image_folder(tmp_path / "pets"))
    whole = Hub(name).load()[0]
    train, test = Hub(name, train="train[:1]", test="train[2:]", image_size=3).load()
    assert (train.ids, test.ids) == (whole.ids[:1], ["test/train/dog/0.png", "test/train/dog/1.png"])
    assert tuple(train.images.shape) == (1, 3, 3, 3)


def test_captions_and_metadata_of_parquet_are_read(tmp_path: Path) -> None:
    text, number = datasets.Value("string"), datasets.Value("int64")
    folder = parquet_folder(
        tmp_path / "pairs",
        captions=(datasets.List(text), [["a cat", "a cat, asleep"], ["a dog"]]),
        fine=(datasets.ClassLabel(names=["eel", "owl"]), [1, 0]),
        owner=(number, [17, None]),
    )
    train, test = Hub(str(folder), label="fine").load()
    assert train.captions == [("a cat", "a cat, asleep"), ("a dog",)]
    assert train.metadata == {"owner": [17, None]}
    assert (train.class_names, train.targets.tolist()) == (["eel", "owl"], [1, 0])
    assert (train.ids, test.ids) == (["train/0.png", "train/1.png"], ["test/0.png", "test/1.png"])
    np.testing.assert_array_equal(test.images[1].numpy(), pixels(3).transpose(2, 0, 1))
    unlabelled, _ = Hub(str(folder), label=None).load()
    assert unlabelled.class_names == []
    assert unlabelled.metadata == {"fine": [1, 0], "owner": [17, None]}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the library forgets to close the table
def test_a_folder_with_a_table_of_captions_is_read(tmp_path: Path) -> None:
    for seed, split in enumerate(("train", "test")):
        folder = tmp_path / "pairs" / split
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(png(seed))
        (folder / "metadata.csv").write_text(f'file_name,caption,owner\na.png,"{split}, a cat",17\n')
    train, test = Hub(str(tmp_path / "pairs"), label=None).load()
    gc.collect()  # here, where the warning is expected
    assert (train.ids, train.captions, train.metadata) == (["train/a.png"], [("train, a cat",)], {"owner": [17]})
    np.testing.assert_array_equal(test.images[0].numpy(), pixels(1).transpose(2, 0, 1))


def test_a_parquet_file_without_the_librarys_notes_is_read(tmp_path: Path) -> None:
    image = pa.array([{"bytes": png(0), "path": None}], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    for split in ("train", "test"):
        pq.write_table(pa.table({"image": image, "label": ["cat"]}), tmp_path / f"{split}.parquet")
    train, _ = Hub(str(tmp_path)).load()
    assert (train.class_names, train.ids) == (["cat"], ["train/0"])


def test_corrupt_images_are_named_or_left_out(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "pets")
    (folder / "train" / "cat" / "1.png").write_bytes(png(1)[:60])
    with pytest.raises(InputError, match=r"got 1 of 6 that it does not: .*train/cat/1\.png"):
        Hub(str(folder)).load()
    with pytest.warns(UserWarning, match="1 of 6 images are corrupt and left out"):
        train, _ = Hub(str(folder), on_error="skip").load()
    assert train.ids == ["train/cat/0.png", "train/dog/0.png", "train/dog/1.png"]
    assert train.targets.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "nobody/nothing"}, r"name='nobody/nothing' with the split train, got ConnectionError: .*Hub"),
        ({"name": "nobody/nothing:small"}, r"got ConnectionError: .*'nobody/nothing'"),
        ({"name": "/no/such/folder"}, r"name='/no/such/folder'.*got FileNotFoundError"),
        ({"test": "validation"}, r"the split validation, got ValueError: Unknown split .*validation"),
        ({"test": "test[:0]"}, r"the split test\[:0\], got ValueError: .*no data"),
        ({"label": "breed"}, r"column label='breed' in .*, got image, label. Name the column .* null"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as told:
        Hub(**{"name": str(image_folder(tmp_path / "pets")), **options}).load()
    assert len(str(told.value).splitlines()) == 1


def test_one_split_as_both_is_refused() -> None:
    with pytest.raises(InputError, match=r"not trained on, got the split train as both"):
        Hub("a/b", test="train")


def test_without_the_library_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearning_pl.data.sources.hub.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"library datasets to read a/b, .* pip install 'unlearning-pl\[hub\]'"):
        Hub("a/b").load()


@pytest.mark.parametrize("column", ["class", "Label", "CLASS", "label"])
def test_the_label_is_found_as_in_other_sources(column: str, tmp_path: Path) -> None:
    folder = parquet_folder(tmp_path / "pets", **{column: (datasets.ClassLabel(names=["cat", "dog"]), [1, 0])})
    train, _ = Hub(str(folder)).load()
    assert train.class_names == ["cat", "dog"]
    assert train.targets.tolist() == [1, 0]
    assert train.metadata == {}
