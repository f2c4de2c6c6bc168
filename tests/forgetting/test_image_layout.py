"""What lies at a path decides how images are read, and a missing test part is asked for."""

from pathlib import Path

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.forgetting.image_layout import Layout, guess_layout
from unlearning_pl.forgetting.named_images import read_named_images


def make(place: Path, *names: str) -> str:
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch() if path.suffix else path.mkdir(exist_ok=True)
    return str(place)


@pytest.mark.parametrize(
    ("files", "source", "train", "test"),
    [
        (["train/cat", "test/cat"], "Folder", "train", "test"),
        (["train/cat", "val/cat"], "Folder", "train", "val"),
        (["train/cat", "test/cat", "val/cat"], "Folder", "train", "test"),
        (["train-0.tar", "test-0.tar"], "Shards", "train*.tar", "test*.tar"),
        (["train/0.tar", "test/0.tar"], "Shards", "train/*.tar", "test/*.tar"),
        (["train-0.parquet", "test-0.parquet"], "Parquet", "train*.parquet", "test*.parquet"),
        (["train.csv", "test.csv", "images/1.png"], "ImageTable", "train.csv", "test.csv"),
    ],
)
def test_parts_of_a_folder(files: list[str], source: str, train: str, test: str, tmp_path: Path) -> None:
    place = make(tmp_path / "photos", *files)
    assert guess_layout(place) == Layout(source, f"{place}/{train}", f"{place}/{test}")


def test_a_folder_of_classes_needs_the_other_part(tmp_path: Path) -> None:
    place, other = make(tmp_path / "photos", "cat/1.png"), make(tmp_path / "other", "cat/2.png")
    with pytest.raises(InputError, match=r"without train.*give such images as --test FOLDER"):
        guess_layout(place)
    assert guess_layout(place, other) == Layout("Folder", place, other)
    with pytest.raises(InputError, match="photos without test"):
        guess_layout(make(tmp_path / "photos", "train/cat"))
    assert guess_layout(place, other) == Layout("Folder", f"{place}/train", other)


def test_files_are_parts_too(tmp_path: Path) -> None:
    make(tmp_path, "a.csv", "b.csv", "c.tar", "d.exe")
    assert guess_layout(f"{tmp_path}/a.csv", f"{tmp_path}/b.csv").source == "ImageTable"
    for other, message in (("c.tar", "of one kind"), ("d.exe", "Expected a folder of images"), ("no", "not exist")):
        with pytest.raises(InputError, match=message):
            guess_layout(f"{tmp_path}/a.csv", f"{tmp_path}/{other}")
    with pytest.raises(InputError, match="Expected images at --images"):
        guess_layout(f"{tmp_path}/no")


def test_paths_of_a_table_are_those_beside_it(tmp_path: Path) -> None:
    """An image is named by its path as a user sees it, and its id is the path in the table."""
    (tmp_path / "pairs/images").mkdir(parents=True)
    for part in ("train", "test"):
        (tmp_path / f"pairs/{part}.csv").write_text("image,caption\nimages/0.png,one\nimages/1.png,two\n")
    for name in "01":
        (tmp_path / f"pairs/images/{name}.png").write_bytes(b"")
    folder = guess_layout(str(tmp_path / "pairs")).folder
    assert folder == tmp_path / "pairs"
    (tmp_path / "list.txt").write_text(f"{tmp_path}/pairs/images/1.png\n")
    ids = ["train/images/0.png", "train/images/1.png"]
    assert read_named_images(str(tmp_path / "list.txt"), ids, [folder]) == ["train/images/1.png"]
    assert Layout("Shards", "a.tar", "b.tar").folder is None
