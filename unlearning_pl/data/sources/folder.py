"""Images in one folder per class."""

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from unlearning_pl.data.sources.arrow_columns import is_metadata_type, metadata_values
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.data.sources.table_files import read_table
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decode_image import image_suffixes
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_set import ImageSet

_METADATA, _FILE = "metadata.csv", "file_name"
_MAX_NAMED = 5  # names that a message lists


class _Listing(NamedTuple):
    """Image files below a folder, by their paths in it, and the columns of its ``metadata.csv``."""

    folder: Path
    classes: list[str]
    files: list[str]  # "cat/a.jpg", sorted
    metadata: dict[str, list[Any]]


class Folder(Source):
    """Images of two folders, one for training and one for testing, each with a folder per class.

    It is the layout of torchvision's ``ImageFolder``: ``train/cat/a.jpg``, in deeper folders too. Classes are
    numbered in the order of their sorted names. Files with a suffix of an image format that Pillow reads are used;
    hidden files are skipped. The id of an image is "train/" or "test/" and its path there, such as
    "train/cat/a.jpg". A ``metadata.csv`` beside the class folders, with a column ``file_name`` of these paths and
    a row for each image, gives columns of metadata, which are numbers if all values that are not missing are
    numbers. Channel statistics are ImageNet's.

    Args:
        train: Folder of the training images.
        test: Folder of the test images.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        on_error: ``raise`` an error that names the corrupt images, or ``skip`` them with a warning.
        storage: ``memory`` holds all pixels, ``stream`` decodes batch by batch, ``auto`` decides by their size.

    Raises:
        InputError: If a folder, its images or its table cannot be used.

    Example:
        >>> Folder(train="no/train", test="no/test").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a folder at train='no/train', got none. ...
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        train: str,
        test: str,
        image_size: int | None = None,
        on_error: OnError = "raise",
        storage: Storage = "auto",
    ) -> None:
        self.train, self.test, self.image_size = train, test, image_size
        self.on_error, self.storage = on_error, storage

    def load(self) -> tuple[ImageSet, ImageSet]:
        """All training and test images, sorted by class and name."""
        train, test = _list_images("train", self.train), _list_images("test", self.test)
        apart = train.folder.resolve() != test.folder.resolve()
        require(
            apart, f"Expected test images that are not trained on, got {train.folder} as both. Give another folder."
        )
        require(
            train.classes == test.classes,
            f"Expected the same class folders in {train.folder} and {test.folder}, got "
            f"{_shorten(sorted({*train.classes} ^ {*test.classes}))} in one of them only. Add or remove folders.",
        )
        parts = (_records("train", train), _records("test", test))
        return image_sets(*parts, image_size=self.image_size, on_error=self.on_error, storage=self.storage)


def _records(part: str, found: _Listing) -> Records:
    paths = [str(found.folder / file) for file in found.files]
    return Records(
        encoded=[Reference(path) for path in paths],
        names=paths,
        ids=[f"{part}/{file}" for file in found.files],
        labels=[file.partition("/")[0] for file in found.files],
        metadata=found.metadata,
    )


def _list_images(field: str, where: str) -> _Listing:
    folder = Path(where).expanduser()
    require(
        folder.is_dir(),
        f"Expected a folder at {field}={where!r}, got none. Give one with a folder for each class in it, relative to "
        "the working directory.",
    )
    try:
        of_class, loose = _by_class(folder)
    except OSError as error:
        raise InputError(
            f"Expected folders that can be read in {where}, got {error.filename} ({error.strerror}). Change its rights."
        ) from error
    require(
        not loose,
        f"Expected each image of {where} in the folder of its class, got {_shorten(loose)} beside them. Move it.",
    )
    empty = [name for name, files in of_class.items() if not files]
    require(
        bool(of_class) and not empty,
        f"Expected folders with images in {where}, one for each class, got {_shorten(empty) or 'no folder'}"
        f"{' without any' if empty else ''}. Put images there, or remove the folder.",
    )
    files = [*chain.from_iterable(of_class.values())]
    return _Listing(folder, [*of_class], files, _metadata(folder / _METADATA, files))


def _by_class(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Image files by class, both sorted, and image files that are outside of the class folders."""
    with os.scandir(folder) as entries:
        top = sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)
    of_class = {entry.name: sorted(_files(entry.path, f"{entry.name}/", set())) for entry in top if entry.is_dir()}
    return of_class, [entry.name for entry in top if entry.is_file() and _is_image(entry.name)]


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in image_suffixes()


def _files(folder: str, prefix: str, above: set[tuple[int, int]]) -> Iterator[str]:
    """Image files below a folder, as paths after ``prefix``; links to a folder above it are not followed."""
    status = os.stat(folder)
    folder_id = (status.st_dev, status.st_ino)
    if folder_id in above:
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _files(entry.path, f"{prefix}{entry.name}/", {*above, folder_id})
            elif _is_image(entry.name):
                yield prefix + entry.name


def _metadata(table: Path, files: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of ``metadata.csv`` in the order of ``files``; none without such a table."""
    if not table.is_file():
        return {}
    found = read_table(table, (_FILE,))
    columns = found.column_names
    require(
        _FILE in columns,
        f"Expected a column {_FILE} in {table}, got {', '.join(columns)}. Name the images there, such as cat/a.jpg.",
    )
    named = [str(name).replace("\\", "/") for name in found[_FILE].to_pylist()]
    row_of = {name: row for row, name in enumerate(named)}
    odd = sorted({*row_of} ^ {*files})
    twice = len(named) - len(row_of)
    require(
        not odd and not twice,
        f"Expected one row for each image in {table}, got {len(odd)} rows without image or images without row, and "
        f"{twice} repeated: {_shorten(odd)}. Correct the table.",
    )
    known = {
        name: metadata_values(found[name])
        for name in columns
        if name and name != _FILE and is_metadata_type(found[name].type)
    }
    return {name: [values[row_of[file]] for file in files] for name, values in known.items()}


def _shorten(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MAX_NAMED} others" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + rest
