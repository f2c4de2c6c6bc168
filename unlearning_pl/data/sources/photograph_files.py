"""Base class of data sets that are published as one file per image."""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path

from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import Source, rows_to_take
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference
from unlearning_pl.images.image_set import ImageSet

Files = list[tuple[Path, int]]
"""Image files, each with the number of its class."""


def interleave_classes(files: Iterable[tuple[Path, int]]) -> list[tuple[Path, int]]:
    """The first file of every class, then the second of every class, and so on.

    The published order is class by class: its first images would come from few classes.

    Example:
        >>> [path.name for path, _ in interleave_classes([(Path("a"), 0), (Path("b"), 0), (Path("c"), 1)])]
        ['a', 'c', 'b']
    """
    taken: dict[int, int] = {}
    placed = []
    for path, label in files:
        taken[label] = taken.get(label, 0) + 1
        placed.append((taken[label], label, path))
    return [(path, label) for _, label, path in sorted(placed)]


class PhotographFiles(Source):
    """Base class of data sets of one file per image; ids are "train/" or "test/" and the name of the file."""

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
        """Load the first training and test images, classes in turn; downloads missing files to ``root``."""
        train, test, names = self._list_files()
        first, second = _records("train", train, self.train_size), _records("test", test, self.test_size)
        return image_sets(first, second, names, self.image_size, self.on_error)

    @abstractmethod
    def _list_files(self) -> tuple[Files, Files, list[str]]:
        """All training images, all test images, and the names of the classes."""


def _records(part: str, files: Files, size: int | None) -> Records:
    chosen = interleave_classes(files)[: rows_to_take(f"{part}_size", size, len(files))]
    names = [str(path) for path, _ in chosen]
    ids = [f"{part}/{path.name}" for path, _ in chosen]
    return Records([Reference(name) for name in names], names, ids, [label for _, label in chosen])
