"""Image sets that are known by a name and come as files, one a photograph.

Letters: N images.
"""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from torchvision import datasets
from torchvision.datasets.utils import download_and_extract_archive

from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source, rows_to_take
from unlearning_pl.data.sources.torchvision_arrays import open_named
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference
from unlearning_pl.images.image_set import ImageSet

_Files = list[tuple[Path, int]]  # a photograph and its class


def classes_in_turn(files: Iterable[tuple[Path, int]]) -> list[tuple[Path, int]]:
    """The first file of every class, then the second of every class, and so on.

    The published order is class by class: its beginning would have no image of most classes.

    Example:
        >>> [path.name for path, _ in classes_in_turn([(Path("a"), 0), (Path("b"), 0), (Path("c"), 1)])]
        ['a', 'c', 'b']
    """
    taken: dict[int, int] = {}
    placed = []
    for path, label in files:
        taken[label] = taken.get(label, 0) + 1
        placed.append((taken[label], label, path))
    return [(path, label) for _, label, path in sorted(placed)]


class _Photographs(Source):
    """What the sets share: files that are listed, ids "train/" or "test/" and the name of the file."""

    def __init__(
        self,
        root: str = "data",
        train_size: int | None = None,
        test_size: int | None = None,
        image_size: int = 64,
        download: bool = True,
        on_error: OnError = "raise",
    ) -> None:
        require(image_size >= 1, f"Expected image_size >= 1, got {image_size}. Choose a size in pixels.")
        self.root, self.train_size, self.test_size = root, train_size, test_size
        self.image_size: int = image_size
        self.download = download
        self.on_error: OnError = on_error

    def load(self) -> tuple[ImageSet, ImageSet]:
        """The first training and test images, classes in turn; downloads them to ``root`` where they are absent."""
        train, test, names = self._listed()
        first, second = _records("train", train, self.train_size), _records("test", test, self.test_size)
        return image_sets(first, second, names, self.image_size, self.on_error)

    @abstractmethod
    def _listed(self) -> tuple[_Files, _Files, list[str]]:
        """All training images, all test images, and the names of the classes."""


def _records(part: str, files: _Files, size: int | None) -> Records:
    chosen = classes_in_turn(files)[: rows_to_take(f"{part}_size", size, len(files))]
    names = [str(path) for path, _ in chosen]
    ids = [f"{part}/{path.name}" for path, _ in chosen]
    return Records([Reference(name) for name in names], names, ids, [label for _, label in chosen])


class TinyImageNet(_Photographs):
    """Tiny ImageNet: 100 000 training and 10 000 test photographs of 64x64 pixels in 200 classes of ImageNet.

    Source: Le and Yang, "Tiny ImageNet Visual Recognition Challenge", CS 231N, Stanford, 2015. Read from the folder
    ``tiny-imagenet-200`` as it is published; the validation images are the test set, since the labels of the test
    images are not public. Classes are sorted by WordNet id and named by their first word in ``words.txt``, with the
    id where that is not theirs alone. Ids are "train/n01443537_0.JPEG" and "test/val_0.JPEG".

    Args:
        root: Folder that holds ``tiny-imagenet-200``, or will.
        train_size: How many training images to use, the first of each class in turn; all by default.
        test_size: How many test images to use, likewise.
        image_size: Height and width to resize to.
        download: Whether to download the files (237 MiB) where they are absent.
        on_error: ``raise`` names corrupt images and stops, ``skip`` leaves them out with a warning.

    Example:
        >>> TinyImageNet(root="data").image_size
        64
    """

    folder: ClassVar[str] = "tiny-imagenet-200"
    url: ClassVar[str] = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
    digest: ClassVar[str] = "90528d7ca1a48142e341f4ef8d21d0de"
    mean = (0.4802, 0.4481, 0.3975)
    std = (0.2770, 0.2691, 0.2821)

    def _listed(self) -> tuple[_Files, _Files, list[str]]:
        def read(root: Path) -> tuple[_Files, _Files, list[str]]:
            if self.download and not (root / self.folder).is_dir():
                download_and_extract_archive(self.url, str(root), md5=self.digest)
            return _tiny(root / self.folder)

        return open_named("TinyImageNet", self.root, self.url, read)


class OxfordPets(_Photographs):
    """Oxford-IIIT Pets: 3 680 training and 3 669 test photographs of 37 breeds of cats and dogs, of many sizes.

    Source: Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012. Training images are those of
    ``trainval.txt``. The largest centred square of each is resized. Ids are "train/Abyssinian_100.jpg" and
    "test/Abyssinian_201.jpg". Channel statistics are ImageNet's.

    Args:
        root: Folder that holds ``oxford-iiit-pet``, or will.
        train_size: How many training images to use, the first of each class in turn; all by default.
        test_size: How many test images to use, likewise.
        image_size: Height and width to resize to.
        download: Whether to download the files (774 MiB) where they are absent.
        on_error: ``raise`` names corrupt images and stops, ``skip`` leaves them out with a warning.

    Example:
        >>> OxfordPets(root="data", image_size=96).image_size
        96
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        root: str = "data",
        train_size: int | None = None,
        test_size: int | None = None,
        image_size: int = 224,
        download: bool = True,
        on_error: OnError = "raise",
    ) -> None:
        super().__init__(root, train_size, test_size, image_size, download, on_error)

    def _listed(self) -> tuple[_Files, _Files, list[str]]:
        def read(root: Path) -> tuple[_Files, _Files, list[str]]:
            train, test = (datasets.OxfordIIITPet(root, part, download=self.download) for part in ("trainval", "test"))
            first, second = (list(zip(part._images, part._labels, strict=True)) for part in (train, test))
            return first, second, list(train.classes)

        return open_named("OxfordPets", self.root, "https://www.robots.ox.ac.uk/~vgg/data/pets", read)


def _tiny(folder: Path) -> tuple[_Files, _Files, list[str]]:
    synsets = sorted((folder / "wnids.txt").read_text(encoding="utf-8").split())
    number = {synset: row for row, synset in enumerate(synsets)}
    train = [
        (path, number[synset])
        for synset in synsets
        for path in sorted((folder / "train" / synset / "images").iterdir(), key=_place)
    ]
    lines = (folder / "val" / "val_annotations.txt").read_text(encoding="utf-8").splitlines()
    marked = [line.split("\t")[:2] for line in lines if line.strip()]
    test = [(folder / "val" / "images" / name, number[synset]) for name, synset in marked]
    return train, test, _names(synsets, (folder / "words.txt").read_text(encoding="utf-8"))


def _place(path: Path) -> tuple[int, str]:
    """The number at the end of a name, so that n_10 comes after n_9."""
    digits = path.stem.rpartition("_")[2]
    return (int(digits) if digits.isdecimal() else 0), path.name


def _names(synsets: list[str], words: str) -> list[str]:
    known = dict(line.split("\t", 1) for line in words.splitlines() if "\t" in line)
    names = [known.get(synset, synset).split(",")[0].strip() for synset in synsets]
    return [
        name if names.count(name) == 1 else f"{name} ({synset})" for name, synset in zip(names, synsets, strict=True)
    ]
