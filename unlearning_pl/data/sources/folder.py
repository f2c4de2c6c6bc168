"""Images in one folder per class."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.utilities import rank_zero_info

from unlearning_pl.data.sources.arrow_columns import IMAGE, metadata_values, path_column
from unlearning_pl.data.sources.file_patterns import walk_files
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.left_out import shorten_list
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_names import HEAD_BYTES, is_image, is_system_name, looks_like_image
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize
from unlearning_pl.tables import arrow_types
from unlearning_pl.tables.table_files import is_typed, read_table
from unlearning_pl.unicode_names import normalize_name, normalize_path

_METADATA, _FILE = ("metadata.csv", "metadata.jsonl", "metadata.parquet"), "file_name"


class _Listing(NamedTuple):
    """Image files below a folder, by their paths in it, and the columns of its table of metadata."""

    folder: Path
    classes: list[str]  # composed names, sorted
    files: list[str]  # "cat/a.jpg", sorted
    unread: list[str]  # files that look like images, of formats that are not read
    metadata: dict[str, list[Any]]


class Folder(Source):
    """Images of two folders, one for training and one for testing, each with a folder per class.

    It is the layout of torchvision's ``ImageFolder``: ``train/cat/a.jpg``, in deeper folders too. Classes are
    numbered in the order of their sorted names. Files with a suffix of an image format that is read are used; a note
    counts the others, hidden files and those of the system (``__MACOSX``, ``@eaDir``) among them. The id of an image is
    "train/" or "test/" and its path there, such as "train/cat/a.jpg". A ``metadata.csv``, ``metadata.jsonl`` or
    ``metadata.parquet`` beside the class folders, with a column ``file_name`` of these paths and a row for each image,
    gives columns of metadata, which are numbers if all values that are not missing are numbers. Channel statistics
    are ImageNet's.

    Args:
        train: Folder of the training images.
        test: Folder of the test images.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        on_error: ``raise`` an error that names corrupt images and those of formats that are not read, or ``skip`` them
            with a warning.
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
        image_size: ImageSize | None = None,
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
            f"{shorten_list(sorted({*train.classes} ^ {*test.classes}))} in one of them only. Add or remove folders.",
        )
        parts = (_records("train", train), _records("test", test))
        return image_sets(*parts, image_size=self.image_size, on_error=self.on_error, storage=self.storage)


def _records(part: str, found: _Listing) -> Records:
    paths = [str(found.folder / file) for file in found.files]
    return Records(
        encoded=[Reference(path) for path in paths],
        names=paths,
        ids=[f"{part}/{file}" for file in found.files],
        labels=[normalize_name(file.partition("/")[0]) for file in found.files],
        metadata=found.metadata,
        unread=[f"{found.folder / file} (no suffix of a format that is read)" for file in found.unread],
    )


def _list_images(field: str, where: str) -> _Listing:
    folder = Path(where).expanduser()
    require(
        folder.is_dir(),
        f"Expected a folder at {field}={where!r}, got none. Give one with a folder for each class in it, relative to "
        "the working directory.",
    )
    files, unread = _find_images(folder)
    loose = sorted(name for name in (*files, *unread) if "/" not in name)
    require(
        not loose,
        f"Expected each image of {where} in the folder of its class, got {shorten_list(loose)} beside them. Move it.",
    )
    classes = _classes(folder)
    known = {file.partition("/")[0] for file in (*files, *unread)}
    empty = sorted(name for name in classes.values() if name not in known)
    require(
        bool(classes) and not empty,
        f"Expected folders with images in {where}, one for each class, got {shorten_list(empty) or 'no folder'}"
        f"{' without any' if empty else ''}. Put images there, or remove the folder.",
    )
    return _Listing(folder, sorted(classes), files, unread, _metadata(folder, files, unread))


def _classes(folder: Path) -> dict[str, str]:
    """Folders of classes, by their composed names."""
    names = [entry.name for entry in os.scandir(folder) if entry.is_dir() and not is_system_name(entry.name)]
    classes = {normalize_name(name): name for name in names}
    twice = [name for name in names if classes[normalize_name(name)] != name]
    require(
        not twice,
        f"Expected classes whose names differ in more than their Unicode form in {folder}, got {shorten_list(twice)} "
        "twice. Move the images of one folder to the other.",
    )
    return classes


def _find_images(folder: Path) -> tuple[list[str], list[str]]:
    """Image files, sorted by class and name, and files that look like images and are none that are read."""
    files, unread, ignored, dangling = [], [], [], []
    for name, entry in walk_files(folder):
        if entry is None:
            ignored += [name] if is_image(name) else []
        elif is_image(name):
            files.append(name)
        elif looks_like_image(name, _head(entry)):
            unread.append(name)
        elif entry.is_symlink() and not os.path.exists(entry.path):
            dangling.append(name)
        elif name not in _METADATA:
            ignored.append(name)
    require(
        not dangling,  # it may be a class, or images, on a disk that is not mounted
        f"Expected links in {folder} that lead to files or folders, got {shorten_list(sorted(dangling))}, which lead "
        "nowhere. Mount what they lead to, or remove them.",
    )
    if ignored:
        rank_zero_info(f"{len(ignored)} files in {folder} are no images of a class: {shorten_list(sorted(ignored))}.")
    return sorted(files, key=lambda name: normalize_name(name).split("/", 1)), sorted(unread)


def _head(entry: os.DirEntry[str]) -> bytes:
    try:
        with open(entry.path if entry.is_file() else os.devnull, "rb") as file:
            return file.read(HEAD_BYTES)
    except OSError:
        return b""


def _metadata(folder: Path, files: Sequence[str], unread: Sequence[str]) -> dict[str, list[Any]]:
    """Columns of the table of metadata in the order of ``files``; none without such a table."""
    tables = [folder / name for name in _METADATA if (folder / name).is_file()]
    require(
        len(tables) < 2, f"Expected one table of metadata in {folder}, got {' and '.join(map(str, tables))}. Keep one."
    )
    if not tables:
        return {}
    table = read_table(tables[0], IMAGE)
    column = _FILE if _FILE in table.column_names else path_column(table, str(tables[0]))
    row_of = _row_of_each(table[column].to_pylist(), files, unread, tables[0])
    return {
        name: [values[row] for row in row_of]
        for name in table.column_names
        if name and name != column and arrow_types.is_metadata(table[name].type)
        for values in [metadata_values(table[name], strip=not is_typed(tables[0]))]
    }


def _row_of_each(names: Sequence[Any], files: Sequence[str], unread: Sequence[str], table: Path) -> list[int]:
    """Row of each file; rows of files that are not read have no image."""
    row_of = {normalize_path(str(name)): row for row, name in enumerate(names)}
    wanted = [normalize_path(file) for file in files]
    odd = sorted({*row_of}.difference(map(normalize_path, unread)) ^ {*wanted})
    twice = len(names) - len(row_of) + sum(count - 1 for count in Counter(wanted).values())
    require(
        not odd and not twice,
        f"Expected one row for each image in {table}, got {len(odd)} rows without image or images without row, and "
        f"{twice} repeated: {shorten_list(odd)}. Correct the table.",
    )
    return [row_of[name] for name in wanted]
