"""Each named set reads files in its published layout, which the tests write themselves."""

import gzip
import pickle
import struct
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from torchvision import datasets

from unlearning_pl.data import CIFAR10, CIFAR100, STL10, SVHN, FashionMNIST, Source
from unlearning_pl.errors import InputError
from unlearning_pl.images import shared_pixels


class OldArray:
    """Pickles as the published batches do: as an array of a numpy that wrote ``align=0``."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __reduce__(self) -> Any:
        empty, arguments, _ = self.array.__reduce__()
        return empty, arguments, (1, self.array.shape, OldType(), False, self.array.tobytes())


class OldType:
    def __reduce__(self) -> Any:
        return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)


def write_cifar(root: Path, kind: type, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Two images a file, in the layout of torchvision's class ``kind``; returns the pixels of each part."""
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    pixels: dict[str, np.ndarray] = {}
    label = "labels" if kind is datasets.CIFAR10 else "fine_labels"
    for part, files in (("train", kind.train_list), ("test", kind.test_list)):
        parts = []
        for name, _ in files:
            parts.append(random.integers(0, 256, (2, 3072), dtype=np.uint8))
            (folder / name).write_bytes(pickle.dumps({"data": OldArray(parts[-1]), label: [3, 1]}, protocol=2))
        pixels[part] = np.concatenate(parts).reshape(-1, 3, 32, 32)
        monkeypatch.setattr(kind, f"{part}_list", [(name, None) for name, _ in files])
    meta = {kind.meta["key"]: [f"class {k}" for k in range(4)]}
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps(meta))
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": None})
    return pixels


def unchecked(kind: type, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets torchvision's class ``kind`` take files of other content than the published ones."""
    monkeypatch.setattr(kind, field, [(name, None) for name, _ in getattr(kind, field)])


def random_pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).integers(0, 256, shape, dtype=np.uint8)


def write_fashion(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    folder = root / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = {}
    for part, stem in (("train", "train"), ("test", "t10k")):
        gray = random_pixels(2 if part == "train" else 4, 28, 28)
        labels = bytes([9, 0] * (len(gray) // 2))
        images = struct.pack(">4BIII", 0, 0, 8, 3, *gray.shape) + gray.tobytes()
        (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        targets = struct.pack(">4BI", 0, 0, 8, 1, len(gray)) + labels
        (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(targets))
        pixels[part] = np.repeat(gray[:, None], 3, axis=1)
    unchecked(datasets.FashionMNIST, "resources", monkeypatch)
    return pixels


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    pixels, unchecked = {}, {}
    for part, (url, name, _) in datasets.SVHN.split_list.items():
        images = random_pixels(4 if part == "test" else 2, 32, 32, 3)
        # MATLAB counts images last, and the digit 0 as class 10.
        content = {"X": images.transpose(1, 2, 3, 0), "y": np.array([[9], [10]] * (len(images) // 2), np.uint8)}
        scipy.io.savemat(root / name, content)
        pixels[part] = images.transpose(0, 3, 1, 2)
        unchecked[part] = [url, name, None]
    monkeypatch.setattr(datasets.SVHN, "split_list", unchecked)
    return pixels


def write_stl(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    folder = root / "stl10_binary"
    folder.mkdir(parents=True)
    pixels = {}
    for part in ("train", "test", "unlabeled"):
        pixels[part] = random_pixels(4 if part == "test" else 2, 3, 96, 96)
        (folder / f"{part}_X.bin").write_bytes(pixels[part].transpose(0, 1, 3, 2).tobytes())  # column by column
        if part != "unlabeled":
            (folder / f"{part}_y.bin").write_bytes(bytes([10, 1] * (len(pixels[part]) // 2)))
    (folder / "class_names.txt").write_text("\n".join(STL10.class_names) + "\n")
    unchecked(datasets.STL10, "train_list", monkeypatch)
    unchecked(datasets.STL10, "test_list", monkeypatch)
    return pixels


WRITERS: dict[type[Source], Callable[[Path, pytest.MonkeyPatch], dict[str, np.ndarray]]] = {
    FashionMNIST: write_fashion,
    SVHN: write_svhn,
    STL10: write_stl,
}
LABELS = {FashionMNIST: ("Ankle boot", "T-shirt/top"), SVHN: ("9", "0"), STL10: ("truck", "airplane")}


@pytest.mark.parametrize("source", WRITERS)
def test_the_published_layout_is_read(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = WRITERS[source](tmp_path, monkeypatch)
    # Torchvision unpacks Fashion-MNIST's files only where it may download; they are there, so nothing is fetched.
    options = {"root": str(tmp_path), "download": source is FashionMNIST}
    train, test = source(**options).load()
    for part, name, known in ((train, "train", 2), (test, "test", 4)):
        np.testing.assert_array_equal(part.images.numpy(), pixels[name])
        assert part.images.is_contiguous()
        assert part.images.shape[-1] == source.image_size
        assert [part.class_names[k] for k in part.targets] == list(LABELS[source]) * (known // 2)
        assert part.ids == [f"{name}/{row}" for row in range(known)]
        assert len(part.class_names) == 10
    assert [len(part) for part in source(train_size=1, test_size=3, **options).load()] == [1, 3]
    with pytest.raises(InputError, match=r"test_size from 1 to 4.*got 5\."):
        source(test_size=5, **options).load()


def test_many_pixels_are_held_once_a_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_svhn(tmp_path, monkeypatch)
    monkeypatch.setattr(shared_pixels, "_LEAST", 1)
    monkeypatch.setenv("UNLEARNING_PL_CACHE", str(tmp_path / "cache"))
    for _ in range(2):  # made by the first, mapped by the second
        for part, name in zip(SVHN(root=str(tmp_path), download=False).load(), ("train", "test"), strict=True):
            np.testing.assert_array_equal(part.images.numpy(), pixels[name])
    assert len(list((tmp_path / "cache").glob("*.pixels"))) == 1
    SVHN(root=str(tmp_path), train_size=1, download=False).load()
    assert len(list((tmp_path / "cache").glob("*.pixels"))) == 2  # other pixels are another file


@pytest.mark.parametrize("source", [FashionMNIST, SVHN, STL10])
def test_absent_files_say_where_they_were_looked_for(source: Any, tmp_path: Path) -> None:
    message = rf"files of {source.__name__} in root='.*', got: Dataset not found.* download to true .* or unpack http"
    with pytest.raises(InputError, match=message) as caught:
        source(root=str(tmp_path), download=False).load()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_files_that_were_cut_off_are_told_in_one_line(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fashion(tmp_path, monkeypatch)
    FashionMNIST(root=str(tmp_path)).load()
    file = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(InputError, match="files of FashionMNIST in root=") as caught:
        FashionMNIST(root=str(tmp_path), download=False).load()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("source", [CIFAR10, CIFAR100])
def test_cifar_reads_the_published_layout(
    source: type[CIFAR10] | type[CIFAR100], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = write_cifar(tmp_path, source.dataset, monkeypatch)
    train, test = source(root=str(tmp_path), download=False).load()
    for part, expected in ((train, pixels["train"]), (test, pixels["test"])):
        np.testing.assert_array_equal(part.images.numpy(), expected)
        assert part.targets.tolist() == [3, 1] * (len(expected) // 2)
    assert train.ids[:2] == ["train/0", "train/1"]
    assert test.ids == ["test/0", "test/1"]
    assert train.class_names == ["class 0", "class 1", "class 2", "class 3"]
    small = source(root=str(tmp_path), train_size=1, test_size=1, download=False).load()
    assert [part.ids for part in small] == [["train/0"], ["test/0"]]
    with pytest.raises(InputError, match=r"test_size from 1 to 2.*got 3\."):
        source(root=str(tmp_path), test_size=3, download=False).load()


def test_absent_cifar_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"files of CIFAR10 in root='.*', got: Dataset not found.* or unpack http"):
        CIFAR10(root=str(tmp_path), download=False).load()


def test_cifar_without_a_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", offline)
    with pytest.raises(InputError, match="no route to host"):
        CIFAR100(root=str(tmp_path)).load()
