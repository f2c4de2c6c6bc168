"""Images listed in a table, with captions, classes and metadata.

Letters: N images.
"""

import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.data.sources.arrow_columns import (
    caption_tuples,
    is_metadata_type,
    is_text,
    is_text_list,
    metadata_values,
)
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.data.sources.table_files import column_names, read_table
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_set import ImageSet

_IMAGE = ("image", "file_name", "filename", "filepath", "path")
_CAPTION = ("caption", "captions", "title", "text")
_LABEL = ("label", "class")


class ImageTable(Source):
    """Images listed in a table with columns for path and caption: CSV, text with tabs, or parquet without the images.

    The path is in the first of the columns image, file_name, filename, filepath and path; the caption in caption,
    captions, title or text; the class, by name or number, in label or class. Captions and classes may be missing.
    Several rows of one image are its captions; repeated ones count once. Every other column is metadata, and is skipped
    with a warning if the rows of one image differ in it. An id is "train/" or "test/" and the normalised path of the
    table. Channel statistics are ImageNet's.

    Flickr8k's ``captions.txt`` is such a table, with ``images: Images`` and the published list of test images.

    Args:
        train: Table of the training images.
        test: Table of the test images, or a file with the path of one image per line: these images are then removed
            from the training table.
        images: Folder that paths are relative to; that of the table by default.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        on_error: ``raise`` an error that names corrupt and missing images, or ``skip`` them with a warning.
        storage: ``memory`` holds all pixels, ``stream`` decodes batch by batch, ``auto`` decides by their size.

    Raises:
        InputError: If a table cannot be read or lacks a column, or an image is in both parts or corrupt.

    Example:
        >>> ImageTable(train="no/captions.csv", test="no/test.csv").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a table, got no/captions.csv, which is no file. ...
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        train: str,
        test: str,
        images: str | None = None,
        image_size: int | None = None,
        on_error: OnError = "raise",
        storage: Storage = "auto",
    ) -> None:
        require(
            image_size is None or image_size >= 1,
            f"Expected image_size >= 1, got {image_size}. Choose a size in pixels, or leave it out.",
        )
        self.train, self.test, self.images, self.image_size = train, test, images, image_size
        self.on_error: OnError = on_error
        self.storage: Storage = storage

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the training and test images, in the order of their first rows in the tables."""
        train, listed = self._read(self.train), _listed_paths(Path(self.test).expanduser())
        if listed is None:
            test = self._read(self.test)
        else:
            test, train = train.part(listed, self.test)
        trained = set(train.files())
        both = [file for file in test.files() if file in trained]
        require(
            not both,
            f"Expected test images that are not trained on, got {len(both)} that are, first {', '.join(both[:1])}. "
            "Take them out of one table.",
        )
        first, second = train.records("train"), test.records("test")
        return image_sets(first, second, None, self.image_size, self.on_error, self.storage)

    def _read(self, where: str) -> "_Listing":
        path = Path(where).expanduser()
        folder = path.parent if self.images is None else Path(self.images).expanduser()
        return _listing(where, read_table(path, (*_IMAGE, *_CAPTION)), str(folder))


@dataclass(frozen=True)
class _Listing:
    """Rows of a table, by image."""

    where: str
    table: Any
    folder: str
    rows: Mapping[str, list[int]]  # normalised path -> rows of the table

    def part(self, paths: Sequence[str], where: str) -> "tuple[_Listing, _Listing]":
        """Split into the images at ``paths`` and all others."""
        unknown = [path for path in paths if path not in self.rows]
        require(
            not unknown,
            f"Expected images of {self.where} in {where}, got {len(unknown)} others, first {', '.join(unknown[:1])}. "
            "Write each path as the table does, or give a table with a column of images.",
        )
        chosen = set(paths)
        first = {path: self.rows[path] for path in dict.fromkeys(paths)}
        return replace(self, rows=first), replace(
            self, rows={path: rows for path, rows in self.rows.items() if path not in chosen}
        )

    def files(self) -> list[str]:
        """File of each image."""
        return [os.path.normpath(os.path.join(self.folder, path)) for path in self.rows]

    def records(self, part: str) -> Records:
        """Convert to records."""
        require(
            bool(self.rows),
            f"Expected {part} images, got none of {self.where}. List fewer images for the test, or give another table.",
        )
        columns, groups = self.table.column_names, list(self.rows.values())
        label, caption = _first_present(_LABEL, columns), _first_present(_CAPTION, columns)
        used = (_first_present(_IMAGE, columns), label, caption)
        others = {name: self.table[name] for name in columns if name not in used}
        files = self.files()
        return Records(
            [Reference(file) for file in files],
            files,
            [f"{part}/{path}" for path in self.rows],
            None if label is None else self._labels(label, groups),
            None if caption is None else self._captions(caption, groups),
            self._metadata(
                {name: metadata_values(one) for name, one in others.items() if is_metadata_type(one.type)}, groups
            ),
        )

    def _captions(self, name: str, groups: list[list[int]]) -> list[tuple[str, ...]]:
        column = self.table[name]
        require(
            is_text(column.type) or is_text_list(column.type),
            f"Expected text in the column {name} of {self.where}, got {column.type}. Convert or rename the column.",
        )
        of_rows = caption_tuples(column.to_pylist(), [f"{self.where} row {row}" for row in range(len(column))])
        return [tuple(dict.fromkeys(text for row in rows for text in of_rows[row])) for rows in groups]

    def _labels(self, name: str, groups: list[list[int]]) -> list[Any]:
        column = self.table[name]
        require(
            is_text(column.type) or pa.types.is_integer(column.type),
            f"Expected names or numbers of classes in the column {name} of {self.where}, got {column.type}. "
            "Convert or rename the column.",
        )
        labels = column.to_pylist()
        for path, rows in zip(self.rows, groups, strict=True):
            several = {labels[row] for row in rows}
            require(
                len(several) == 1,
                f"Expected one class of {path} in {self.where}, got {', '.join(map(str, several))}. Correct its rows.",
            )
        return [labels[rows[0]] for rows in groups]

    def _metadata(self, columns: Mapping[str, list[Any]], groups: list[list[int]]) -> dict[str, list[Any]]:
        kept = {}
        for name, values in columns.items():
            if all(values[row] == values[rows[0]] for rows in groups for row in rows[1:]):
                kept[name] = [values[rows[0]] for rows in groups]
            else:
                rank_zero_warn(f"The column {name} of {self.where} differs between rows of one image and is left out.")
        return kept


def _listing(where: str, table: Any, folder: str) -> _Listing:
    name = _first_present(_IMAGE, table.column_names)
    kind = None if name is None else table[name].type
    require(
        is_text(kind),
        f"Expected a column {', '.join(_IMAGE[:-1])} or {_IMAGE[-1]} with paths of images in {where}, got "
        f"{kind or ', '.join(table.column_names)}. Rename the column; a parquet file that holds images is for Parquet.",
    )
    rows: dict[str, list[int]] = {}
    for row, path in enumerate(table[name].to_pylist()):
        require(bool(path and path.strip()), f"Expected the path of an image, got none in {where} row {row}. Give it.")
        rows.setdefault(posixpath.normpath(path.strip()), []).append(row)
    return _Listing(where, table, folder, rows)


def _listed_paths(file: Path) -> list[str] | None:
    """Lines of a file that lists paths; None if it is a table."""
    if (
        file.suffix == ".parquet"
        or not file.is_file()
        or len(column_names(file)) != 1
        or column_names(file)[0] in _IMAGE
    ):
        return None
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return [posixpath.normpath(line.strip()) for line in lines if line.strip()]


def _first_present(names: Sequence[str], columns: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)
