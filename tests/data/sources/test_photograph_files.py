"""Sets that come as files are read in their published layout, which the tests write themselves."""

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unlearning_pl.data import OxfordPets, TinyImageNet
from unlearning_pl.data.sources.photograph_files import interleave_classes
from unlearning_pl.errors import InputError

SYNSETS = ["n02124075", "n01443537", "n02123394"]
WORDS = "n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02123394\tcat, Persian\nn02124075\tcat, Egyptian\n"
BREEDS = ["Abyssinian", "american_bulldog"]


def jpeg(path: Path, shade: int, width: int = 64, height: int = 64) -> None:
    """An image of one shade: a JPEG changes it by a shade or two."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = "L" if shade % 2 else "RGB"  # some published images are gray
    Image.new(mode, (width, height), shade if mode == "L" else (shade,) * 3).save(path, "jpeg")


def write_tiny(root: Path) -> Path:
    folder = root / "tiny-imagenet-200"
    for k, synset in enumerate(SYNSETS):
        for number in (0, 1, 2, 10):
            jpeg(folder / "train" / synset / "images" / f"{synset}_{number}.JPEG", 80 * k + 5 * number)
        (folder / "train" / synset / f"{synset}_boxes.txt").write_text(f"{synset}_0.JPEG\t0\t10\t63\t58\n")
    (folder / "wnids.txt").write_text("\n".join(SYNSETS) + "\n")
    (folder / "words.txt").write_text(WORDS)
    marks = [("val_0.JPEG", SYNSETS[0]), ("val_1.JPEG", SYNSETS[1])]
    for row, (name, _) in enumerate(marks):
        jpeg(folder / "val" / "images" / name, 100 + row)
    lines = [f"{name}\t{synset}\t0\t32\t44\t62\n" for name, synset in marks]
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))
    jpeg(folder / "test" / "images" / "test_0.JPEG", 9)  # nobody knows its class
    return folder


def write_pets(root: Path) -> Path:
    folder = root / "oxford-iiit-pet"
    (folder / "annotations").mkdir(parents=True)
    for part, numbers in (("trainval", (1, 2)), ("test", (3,))):
        lines = []
        for k, breed in enumerate(BREEDS):
            for number in numbers:
                jpeg(folder / "images" / f"{breed}_{number}.jpg", 60 * k + 10 * number, 30 + number, 40)
                lines.append(f"{breed}_{number} {k + 1} {k + 1} 1\n")
        (folder / "annotations" / f"{part}.txt").write_text("".join(lines))
    return folder


def shades(images: Any) -> list[int]:
    return [round(float(image.float().mean())) for image in images]


def test_tiny_imagenet_is_read_as_published(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    train, test = TinyImageNet(root=str(tmp_path), download=False).load()
    assert train.class_names == ["goldfish", "cat (n02123394)", "cat (n02124075)"]
    assert train.ids[:4] == ["train/n01443537_0.JPEG", "train/n02123394_0.JPEG", "train/n02124075_0.JPEG",
                             "train/n01443537_1.JPEG"]  # fmt: skip
    assert train.ids[-1] == "train/n02124075_10.JPEG"  # the tenth is after the second
    assert train.targets.tolist() == [0, 1, 2] * 4
    expected = [80 * SYNSETS.index(name[6:15]) + 5 * int(name[16:-5]) for name in train.ids]
    np.testing.assert_allclose(shades(train.images), expected, atol=1)
    assert test.ids == ["test/val_1.JPEG", "test/val_0.JPEG"]
    assert test.targets.tolist() == [0, 2]
    np.testing.assert_allclose(shades(test.images), [101, 100], atol=1)
    assert tuple(train.images.shape) == (12, 3, 64, 64)


def test_tiny_imagenet_begins_with_all_classes(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    train, test = TinyImageNet(str(tmp_path), 4, 1, image_size=8, download=False).load()
    assert train.targets.tolist() == [0, 1, 2, 0]
    assert len(test) == 1
    assert tuple(train.images.shape) == (4, 3, 8, 8)
    with pytest.raises(InputError, match=r"train_size from 1 to 12.*got 13\."):
        TinyImageNet(str(tmp_path), 13, download=False).load()


def test_tiny_imagenet_is_unpacked_where_it_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tiny(tmp_path / "made")
    archive = tmp_path / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.rglob("*")):
            packed.write(file, file.relative_to(folder.parent))
    monkeypatch.setattr(TinyImageNet, "digest", None)
    assert len(TinyImageNet(root=str(tmp_path)).load()[0]) == 12  # what was fetched before is not fetched again


def test_oxford_pets_are_read_as_published(tmp_path: Path) -> None:
    write_pets(tmp_path)
    train, test = OxfordPets(root=str(tmp_path), image_size=16, download=False).load()
    assert train.class_names == test.class_names == ["Abyssinian", "American Bulldog"]
    assert train.ids == [f"train/{breed}_{number}.jpg" for number in (1, 2) for breed in BREEDS]
    assert train.targets.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(shades(train.images), [10, 70, 20, 80], atol=1)
    assert test.ids == ["test/Abyssinian_3.jpg", "test/american_bulldog_3.jpg"]
    assert tuple(train.images.shape) == (4, 3, 16, 16)


@pytest.mark.parametrize(
    ("source", "gone", "message"),
    [
        (TinyImageNet, ".", r"files of TinyImageNet in root=.*No such file.*wnids.txt.*or unpack http"),
        (TinyImageNet, "train/n01443537/images", r"No such file.*n01443537"),
        (TinyImageNet, "val/val_annotations.txt", r"No such file.*val_annotations.txt"),
        (TinyImageNet, "val/images/val_1.JPEG", r"got 1 of 14 that it does not: .*val_1.JPEG"),
        (OxfordPets, ".", r"files of OxfordPets in root=.*Dataset not found.*download to true .* or unpack http"),
        (OxfordPets, "annotations/test.txt", r"files of OxfordPets.*No such file.*test.txt"),
        (OxfordPets, "images/Abyssinian_2.jpg", r"got 1 of 6 that it does not: .*Abyssinian_2.jpg"),
    ],
)
def test_what_is_absent_is_named_in_one_line(source: Any, gone: str, message: str, tmp_path: Path) -> None:
    folder = write_tiny(tmp_path) if source is TinyImageNet else write_pets(tmp_path)
    (folder / gone).resolve().rename(tmp_path / "gone")
    with pytest.raises(InputError, match=message) as caught:
        source(root=str(tmp_path), image_size=8, download=False).load()
    assert len(str(caught.value).splitlines()) == 1


def test_an_unknown_class_is_named(tmp_path: Path) -> None:
    (write_tiny(tmp_path) / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn99999999\t0\t0\t1\t1\n")
    with pytest.raises(InputError, match=r"files of TinyImageNet.*n99999999"):
        TinyImageNet(root=str(tmp_path), download=False).load()


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"<html>"])
def test_a_photograph_that_was_cut_off_is_left_out_on_demand(content: bytes, tmp_path: Path) -> None:
    (write_pets(tmp_path) / "images" / "Abyssinian_1.jpg").write_bytes(content)
    with pytest.raises(InputError, match="got 1 of 6"):
        OxfordPets(str(tmp_path), image_size=8, download=False).load()
    with pytest.warns(UserWarning, match=r"1 of 6 images are corrupt and left out: .*Abyssinian_1.jpg"):
        train, _ = OxfordPets(str(tmp_path), image_size=8, download=False, on_error="skip").load()
    assert train.ids == ["train/american_bulldog_1.jpg", "train/Abyssinian_2.jpg", "train/american_bulldog_2.jpg"]
    assert train.targets.tolist() == [1, 0, 1]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4)), st.integers(0, 40))
def test_every_beginning_is_as_even_as_it_can_be(labels: list[int], size: int) -> None:
    files = [(Path(f"{row}.jpg"), label) for row, label in enumerate(labels)]
    placed = interleave_classes(files)
    assert sorted(placed) == sorted(files)
    begun = Counter(label for _, label in placed[:size])
    most = max(begun.values(), default=0)
    assert all(begun[label] >= min(most - 1, labels.count(label)) for label in set(labels))
    for label in set(labels):
        assert [one for one in placed if one[1] == label] == [one for one in files if one[1] == label]


def test_pets_refuse_no_pixels() -> None:
    with pytest.raises(InputError, match="image_size >= 1, got 0"):
        OxfordPets(image_size=0)
