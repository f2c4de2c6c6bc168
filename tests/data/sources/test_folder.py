import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_files import by_class, encoded, pixels, truncated, write
from torchvision.datasets import ImageFolder

from unlearning_pl.data import Folder, ForgetRequest, fingerprint, make_splits
from unlearning_pl.errors import InputError
from unlearning_pl.images.encoded_images import EncodedImages


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    return str(by_class(tmp_path / "train")), str(by_class(tmp_path / "testing", each=2))


def all_pixels(images: Any) -> torch.Tensor:
    return images.read(torch.arange(len(images))) if isinstance(images, EncodedImages) else images


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_it_reads_what_torchvision_reads(storage: Any, folders: tuple[str, str]) -> None:
    for part, root, found in zip(("train", "test"), folders, Folder(*folders, 8, storage=storage).load(), strict=True):
        expected = ImageFolder(root)
        assert isinstance(found.images, EncodedImages) == (storage == "stream")
        assert found.class_names == expected.classes == ["cat", "dog"]
        assert found.targets.tolist() == expected.targets
        assert found.ids == [f"{part}/{Path(path).relative_to(root).as_posix()}" for path, _ in expected.samples]
        for ours, (theirs, _) in zip(all_pixels(found.images), expected, strict=True):
            np.testing.assert_array_equal(ours.numpy(), np.asarray(theirs).transpose(2, 0, 1))


def test_deeper_folders_capitals_and_hidden_files(tmp_path: Path, folders: tuple[str, str]) -> None:
    root = tmp_path / "train"
    write(root / "cat" / "deep" / "er" / "A.PNG", encoded(pixels()))
    write(root / "cat" / "._0.png", b"a resource fork")
    write(root / ".git" / "a.png", b"hidden")
    write(root / "dog" / "notes.txt", b"no image")
    (root / "dog" / "x.jpg").mkdir()
    (root / "dog" / "again").symlink_to(root / "dog", target_is_directory=True)
    train, _ = Folder(*folders).load()
    assert len(train) == 7
    assert "train/cat/deep/er/A.PNG" in train.ids
    assert train.class_names == ["cat", "dog"]


def test_a_table_gives_metadata(tmp_path: Path, folders: tuple[str, str]) -> None:
    files = sorted(path.relative_to(folders[0]).as_posix() for path in Path(folders[0]).rglob("*.*"))
    rows = [f"{file},{row},{row / 2},owner {row}\n" for row, file in enumerate(files)]
    table = tmp_path / "train" / "metadata.csv"
    table.write_text("file_name,number,share,name\n" + "".join(reversed(rows)), encoding="utf-8-sig")
    train, test = Folder(*folders).load()
    assert train.metadata == {
        "number": list(range(6)),
        "share": [row / 2 for row in range(6)],
        "name": [f"owner {row}" for row in range(6)],
    }
    assert test.metadata == {}
    table.write_text(table.read_text() + rows[0])
    with pytest.raises(InputError, match="got 0 rows without image or images without row, and 1 repeated"):
        Folder(*folders).load()
    table.write_text("file_name,number\n" + "cat/none.png,1\n")
    with pytest.raises(InputError, match=r"got 7 rows without image or .*cat/0\.png.* and 2 others\. Correct"):
        Folder(*folders).load()
    table.write_text("owner,place\n1,a\n")
    with pytest.raises(InputError, match=r"Expected a column image, .* or path with paths .*metadata\.csv, got owner"):
        Folder(*folders).load()
    table.write_bytes(b"file_name\n\xff\n")
    with pytest.raises(InputError, match="cannot be read"):
        Folder(*folders).load()


def test_a_number_that_is_missing_leaves_the_others_numbers(tmp_path: Path, folders: tuple[str, str]) -> None:
    files = sorted(path.relative_to(folders[0]).as_posix() for path in Path(folders[0]).rglob("*.*"))
    owners = ["17", "", "3", "9", "17", "4"]
    rows = "".join(f"{file},{owner},2024-05-01\n" for file, owner in zip(files, owners, strict=True))
    (tmp_path / "train" / "metadata.csv").write_text(f"file_name,owner,taken\n{rows}")
    train, test = Folder(*folders).load()
    assert train.metadata == {"owner": [17, None, 3, 9, 17, 4], "taken": ["2024-05-01"] * 6}
    below = make_splits(train, test, ForgetRequest(where="owner < 10")).forget
    assert below.tolist() == [2, 3, 5]


def test_skipped_images_take_their_metadata_along(tmp_path: Path, folders: tuple[str, str]) -> None:
    files = sorted(path.relative_to(folders[0]).as_posix() for path in Path(folders[0]).rglob("*.*"))
    text = "".join(f"{file},{row}\n" for row, file in enumerate(files))
    write(tmp_path / "train" / "metadata.csv", f"file_name,row\n{text}".encode())
    write(tmp_path / "train" / files[1], truncated())
    write(tmp_path / "testing" / "dog" / "3.bmp", b"")
    with pytest.raises(InputError, match="got 2 of 10 that it does not"):
        Folder(*folders, image_size=8).load()
    with pytest.warns(UserWarning, match=r"2 of 10 images are corrupt.*cat.1\.jpeg.*dog.3\.bmp \(it is empty\)"):
        train, test = Folder(*folders, image_size=8, on_error="skip").load()
    assert train.metadata["row"] == [0, 2, 3, 4, 5]
    assert train.ids == [f"train/{file}" for file in files if file != files[1]]
    assert (len(train), len(test)) == (5, 3)


def broken(root: Path, case: str) -> None:
    train = root / "train"
    if case == "class folder empty":
        (train / "emu").mkdir()
    elif case == "other classes":
        write(train / "emu" / "a.png", encoded(pixels()))
    elif case == "image beside the classes":
        write(train / "a.png", encoded(pixels()))
    elif case == "no folder":
        (train.rename(root / "elsewhere"))
    elif case == "nothing in it":
        train.rename(root / "elsewhere")
        train.mkdir()
    elif case == "same folder":
        (root / "testing").rename(root / "elsewhere")
        (root / "testing").symlink_to(train, target_is_directory=True)
    elif case == "zero bytes":
        write(train / "cat" / "0.png", b"")
    elif case == "sizes":
        write(train / "dog" / "z.png", encoded(pixels(9, 8)))


MESSAGES = {
    "class folder empty": r"got emu without any\. Put images there, or remove the folder",
    "other classes": "got emu in one of them only",
    "image beside the classes": r"got a\.png beside them",
    "no folder": "Expected a folder at train=",
    "nothing in it": r"got no folder\. Put",
    "same folder": "Expected test images that are not trained on",
    "zero bytes": r"got 1 of 10 that it does not: .*0\.png \(it is empty\)",
    "sizes": r"one size, 8x8 as in .*0\.png, got 8x9 in .*z\.png\. Set image_size",
}


@pytest.mark.parametrize("case", MESSAGES)
def test_what_cannot_be_used_is_told_in_one_line(case: str, tmp_path: Path, folders: tuple[str, str]) -> None:
    broken(tmp_path, case)
    with pytest.raises(InputError, match=MESSAGES[case]) as caught:
        Folder(*folders).load()
    assert "\n" not in str(caught.value)


def test_the_fingerprint_of_a_stream_notices_a_file_of_another_size(tmp_path: Path, folders: tuple[str, str]) -> None:
    streamed = Folder(*folders, image_size=8, storage="stream")
    first = fingerprint(*streamed.load())
    assert fingerprint(*streamed.load()) == first
    write(tmp_path / "train" / "cat" / "0.png", encoded(pixels(30, 30)))
    assert fingerprint(*streamed.load()) != first


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path, folders: tuple[str, str]) -> None:
    name = os.fsdecode(b"\xff.png")
    write(tmp_path / "train" / "cat" / name, encoded(pixels()))
    train, test = Folder(*folders, image_size=8, storage="stream").load()
    assert len(all_pixels(train.images)) == 7
    assert len(fingerprint(train, test)) == 64


@pytest.mark.parametrize("name", ["bird", "cat/more"])
def test_a_link_that_leads_nowhere_is_refused(name: str, tmp_path: Path, folders: tuple[str, str]) -> None:
    link = tmp_path / "train" / name
    link.symlink_to(tmp_path / "not" / "mounted")
    with pytest.raises(InputError, match=rf"got {name}, which lead nowhere\. Mount"):
        Folder(*folders).load()
    link.rename(link.with_name(".hidden"))
    Folder(*folders).load()
