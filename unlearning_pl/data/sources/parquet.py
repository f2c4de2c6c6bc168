"""Images in parquet files, in the schema of Hugging Face data sets.

Letters: N rows.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unlearning_pl.data.sources.arrow_columns import (
    LABEL,
    ColumnRoles,
    column_roles,
    find_column,
    image_column,
    table_to_records,
)
from unlearning_pl.data.sources.file_patterns import find_files
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import CIFAR10_MEAN, CIFAR10_STD, Source, rows_to_take
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decoding import OnError
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize, side_of
from unlearning_pl.tables.arrow_types import is_text


class Parquet(Source):
    """Images of a local parquet file, a folder or a glob, in Hugging Face's image schema.

    The images are ``image: struct<bytes, path>`` or ``image: binary``, under another name if it is the only such
    column; a row without bytes is the file at its path, relative to the parquet file. ``label`` or ``class``, numbers
    or names, may be missing if the images have no labels; numbers are named by the schema's metadata
    (``info.features.label.names`` under the key ``huggingface``), or by themselves. Captions are a text or a list of
    texts in ``captions``, ``caption``, ``title`` or ``text``.
    Every other column of numbers, booleans, text or dates is metadata. The id of an image is "train/" or "test/" and
    its ``image.path``, or its row number if paths are missing or repeated among the images in use. Channel
    statistics are CIFAR-10's.

    Pixels are held in memory, or decoded batch by batch with ``image_size`` if they are too large. In the second case
    the encoded bytes of the rows in use are in memory: use a folder or shards for larger data.

    Args:
        train: Training images: a file, a folder (all ``*.parquet`` below it) or a glob, read in sorted order.
        test: Test images, in the same form.
        train_size: Number of training images to use, from the first on; all by default. Others are not read.
        test_size: Number of test images to use, in the same way.
        image_size: Height and width to resize to; without it all images must have one size.
        on_error: ``raise`` an error that names the images that are corrupt or whose label or caption cannot be used, or
            ``skip`` them with a warning.

    Raises:
        InputError: If there is no such file, a column is missing, or an image, a label or a caption cannot be used.

    Example:
        >>> Parquet(train="no/train-*.parquet", test="no/test.parquet").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected *.parquet files at train='no/train-*.parquet', got none. ...
    """

    mean = CIFAR10_MEAN
    std = CIFAR10_STD

    def __init__(
        self,
        train: str,
        test: str,
        train_size: int | None = None,
        test_size: int | None = None,
        image_size: ImageSize | None = None,
        on_error: OnError = "raise",
    ) -> None:
        side_of(image_size)  # it raises if the size is not positive
        self.train, self.test = train, test
        self.train_size, self.test_size, self.image_size = train_size, test_size, image_size
        self.on_error: OnError = on_error

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the first training and test images; both have one size and the same class names."""
        train_files, test_files = (
            find_files(part, where, "*.parquet") for part, where in (("train", self.train), ("test", self.test))
        )
        shared = {str(file.resolve()) for file in train_files} & {str(file.resolve()) for file in test_files}
        require(
            not shared,
            f"Expected test images that are not trained on, got {', '.join(shared)} as both. Give another file.",
        )
        train = _records("train", train_files, self.train_size)
        test = _records("test", test_files, self.test_size)
        names, other = _class_names(train_files[0]), _class_names(test_files[0])
        require(
            other in (None, names) or (names is None and test.labels is None),
            f"Expected the class names of {train_files[0]} in {test_files[0]} too, got {other}. "
            "Take train and test from one data set.",
        )
        return image_sets(train, test, names, self.image_size, self.on_error)


def _records(part: str, files: list[Path], size: int | None) -> Records:
    """The first ``size`` rows, still encoded; later row groups and files are not opened."""
    opened, left = _open_files(files, f"{part}_size", size)
    first, known = opened[0][0], _roles(*opened[0])
    tables, names, folders = [], [], []
    for file, parquet in opened:
        other = _roles(file, parquet)
        require(
            other == known,
            f"Expected the columns {', '.join(known.columns)} of {first} in {file} too, got "
            f"{', '.join(other.columns)}. Take files of one data set.",
        )
        for start, table in _row_groups(file, parquet, known, left):
            tables.append(table)
            names += [f"{file} row {start + row}" for row in range(table.num_rows)]
            folders += [file.parent] * table.num_rows
        left -= min(left, parquet.metadata.num_rows)
    return table_to_records(part, _concat(tables, first), names, known, folders)


def _roles(file: Path, parquet: pq.ParquetFile) -> ColumnRoles:
    schema = parquet.schema_arrow
    return column_roles(schema, str(file), image_column(schema, str(file)))


def _open_files(files: list[Path], field: str, size: int | None) -> tuple[list[tuple[Path, pq.ParquetFile]], int]:
    """The files that contain the first ``size`` rows, and the number of rows to take from them in total."""
    opened: list[tuple[Path, pq.ParquetFile]] = []
    available = 0
    for file in files:
        opened.append((file, _open(file)))
        available += opened[-1][1].metadata.num_rows
        if size is not None and available >= size:
            break
    require(available > 0, f"Expected rows of images in {files[0]}, got none. Give another file.")
    return opened, rows_to_take(field, size, available)


def _open(file: Path) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file)
        str(parquet.schema_arrow)
    except (OSError, ValueError, pa.ArrowException) as error:  # ValueError: a name that is not UTF-8
        raise InputError(
            f"Expected a parquet file, got {file}, which cannot be read ({_first_line(error)}). Write or copy it again."
        ) from error
    return parquet


def _row_groups(file: Path, parquet: pq.ParquetFile, known: ColumnRoles, limit: int) -> Iterator[tuple[int, pa.Table]]:
    """The first ``limit`` rows, a row group at a time, each with the number of its first row."""
    start = 0
    for group in range(parquet.num_row_groups):
        if start >= limit:
            return
        try:
            table = parquet.read_row_group(group, columns=known.columns)
            table.validate(full=True)  # text that is not UTF-8 fails here
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"Expected whole row groups, got {file}, where group {group} fails ({_first_line(error)}). "
                "Write or copy the file again."
            ) from error
        yield start, table.slice(0, limit - start)
        start += table.num_rows


def _concat(tables: list[Any], first: Path) -> Any:
    try:
        return pa.concat_tables(map(_with_plain_texts, tables), promote_options="permissive")
    except pa.ArrowException as error:
        raise InputError(
            f"Expected columns of the same types as in {first}, got others ({_first_line(error)}). "
            "Take files of one data set."
        ) from error


def _with_plain_texts(table: Any) -> Any:
    """The table with one type for all texts: files of one data set may store them in several."""
    for place, field in enumerate(table.schema):
        if is_text(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.large_string()))
    return table


def _class_names(file: Path) -> list[str] | None:
    metadata = pq.read_schema(file).metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features[find_column(LABEL, list(features))]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None  # the metadata is optional and may have other content
    return [str(name) for name in names] if isinstance(names, list) and names else None


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
