"""Images in parquet files, in the schema of Hugging Face data sets."""

import glob
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.data.sources import CIFAR10_MEAN, CIFAR10_STD, Source, rows_to_take
from unlearning_pl.errors import InputError, require


class _Row(NamedTuple):
    where: str  # "FILE row N", for messages
    image: dict[str, Any] | None
    label: int | None


class Parquet(Source):
    """Images of a local parquet file, a folder or a glob, in Hugging Face's image schema.

    The columns are ``image: struct<bytes, path>`` (any format that Pillow reads) and ``label: int64``. Class
    names are those of the schema's metadata (``info.features.label.names`` under the key ``huggingface``), or
    the label numbers without it. The id of an image is "train/" or "test/" and its ``image.path``, or its row
    number where paths are missing or repeated among the images in use. Channel statistics are CIFAR-10's.

    Args:
        train: Training images: a file, a folder (all ``*.parquet`` below it) or a glob, read in sorted order.
        test: Test images, likewise.
        train_size: How many training images to use, the first ones; all by default. Others are not read.
        test_size: How many test images to use, likewise.
        image_size: Height and width to resize to; without it all images must have one size.

    Raises:
        InputError: If there is no such file, a column is missing, or an image or a label cannot be used.

    Example:
        >>> Parquet(train="no/train-*.parquet", test="no/test.parquet").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected parquet files at train='no/train-*.parquet', got none. ...
    """

    mean = CIFAR10_MEAN
    std = CIFAR10_STD

    def __init__(
        self,
        train: str,
        test: str,
        train_size: int | None = None,
        test_size: int | None = None,
        image_size: int | None = None,
    ) -> None:
        require(
            image_size is None or image_size >= 1,
            f"Expected image_size >= 1, got {image_size}. Choose a size in pixels, or leave it out.",
        )
        self.train, self.test = train, test
        self.train_size, self.test_size, self.image_size = train_size, test_size, image_size

    def load(self) -> tuple[ImageSet, ImageSet]:
        """The first training and test images; both are of one size and share their class names."""
        train_files, test_files = _find("train", self.train), _find("test", self.test)
        shared = {str(file.resolve()) for file in train_files} & {str(file.resolve()) for file in test_files}
        require(
            not shared,
            f"Expected test images that are not trained on, got {', '.join(shared)} as both. Give another file.",
        )
        train = list(_rows(train_files, "train_size", self.train_size))
        test = list(_rows(test_files, "test_size", self.test_size))
        names = _class_names(train_files[0]) or _numbers(train)
        other = _class_names(test_files[0])
        require(
            other in (None, names),
            f"Expected the class names of {train_files[0]} in {test_files[0]} too, got {other}. "
            "Take train and test from one data set.",
        )
        pixels = _decode(train + test, self.image_size)
        return (
            _image_set("train", pixels[: len(train)], train, names),
            _image_set("test", pixels[len(train) :], test, names),
        )


def _find(field: str, where: str) -> list[Path]:
    path = Path(where).expanduser()
    if path.is_dir():
        files = sorted(path.rglob("*.parquet"))
    elif path.is_file():
        files = [path]
    else:
        files = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    require(
        bool(files),
        f"Expected parquet files at {field}={where!r}, got none. "
        "Give a file, a folder with *.parquet in it, or a glob, relative to the working directory.",
    )
    return files


def _rows(files: list[Path], field: str, size: int | None) -> Iterator[_Row]:
    """The first ``size`` rows, still encoded; no row group or file behind them is opened."""
    opened: list[tuple[Path, pq.ParquetFile]] = []
    available = 0
    for file in files:
        opened.append((file, _open(file)))
        available += opened[-1][1].metadata.num_rows
        if size is not None and available >= size:
            break
    left = rows_to_take(field, size, available)
    for file, parquet in opened:
        start = 0
        for group in range(parquet.num_row_groups):
            if left == 0:
                return
            table = _read(file, parquet, group)
            columns = zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True)
            for position, (image, label) in zip(range(start, start + left), columns, strict=False):
                yield _Row(f"{file} row {position}", image, label)
            left -= min(left, table.num_rows)
            start += table.num_rows


def _open(file: Path) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"Expected a parquet file, got {file}, which cannot be read ({_first_line(error)}). Write or copy it again."
        ) from error
    schema = parquet.schema_arrow
    image = schema.field("image").type if "image" in schema.names else None
    require(
        image is not None and pa.types.is_struct(image) and {"bytes", "path"} <= {field.name for field in image},
        f"Expected a column image: struct<bytes, path> in {file}, got {image or ', '.join(schema.names)}. "
        "Rename or convert the column.",
    )
    label = schema.field("label").type if "label" in schema.names else None
    require(
        label is not None and pa.types.is_integer(label),
        f"Expected a column label: int64 in {file}, got {label or ', '.join(schema.names)}. "
        "Rename or convert the column.",
    )
    return parquet


def _read(file: Path, parquet: pq.ParquetFile, group: int) -> pa.Table:
    try:
        return parquet.read_row_group(group, columns=["image", "label"])
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"Expected whole row groups, got {file}, where group {group} fails ({_first_line(error)}). "
            "Write or copy the file again."
        ) from error


def _class_names(file: Path) -> list[str] | None:
    metadata = pq.read_schema(file).metadata or {}
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return None  # the metadata is optional, and other data sets keep other things there
    return [str(name) for name in names]


def _numbers(rows: list[_Row]) -> list[str]:
    highest = max(rows, key=lambda row: row.label or 0)
    require(
        (highest.label or 0) < len(rows),
        f"Expected labels below the number of images, {len(rows)}, got {highest.label} in {highest.where}. "
        "Number the classes from 0, or put their names into the metadata.",
    )
    return [str(number) for number in range((highest.label or 0) + 1)]


def _decode(rows: list[_Row], image_size: int | None) -> npt.NDArray[np.uint8]:
    """Pixels of every row, ``(N, 3, H, W)``."""
    first = _pixels(rows[0], image_size)
    pixels = np.empty((len(rows), *first.shape), dtype=np.uint8)
    for position, row in enumerate(rows):
        image = _pixels(row, image_size)
        require(
            image.shape == first.shape,
            f"Expected images of one size, {first.shape[2]}x{first.shape[1]} as in {rows[0].where}, got "
            f"{image.shape[2]}x{image.shape[1]} in {row.where}. Set image_size to resize all.",
        )
        pixels[position] = image
    return pixels


def _pixels(row: _Row, image_size: int | None) -> npt.NDArray[np.uint8]:
    data = (row.image or {}).get("bytes")
    require(data is not None, f"Expected image bytes, got none in {row.where}. Embed the images in the file.")
    try:
        image = Image.open(io.BytesIO(data)).convert("RGB")  # type: ignore[arg-type]
    except Exception as error:  # Pillow's formats raise OSError, SyntaxError, struct.error and more
        raise InputError(
            f"Expected an image that Pillow reads, got {row.where}, which fails ({_first_line(error)}). "
            "Remove or replace that row."
        ) from error
    if image_size is not None:
        image = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def _image_set(part: str, pixels: npt.NDArray[np.uint8], rows: list[_Row], names: list[str]) -> ImageSet:
    for row in rows:
        require(
            row.label is not None and 0 <= row.label < len(names),
            f"Expected a label from 0 to {len(names) - 1}, got {row.label} in {row.where}. "
            "Correct the label or the class names in the metadata.",
        )
    paths = [(row.image or {}).get("path") for row in rows]
    named = all(paths) and len(set(paths)) == len(paths)
    ids = [f"{part}/{path if named else position}" for position, path in enumerate(paths)]
    return ImageSet(torch.from_numpy(pixels), torch.tensor([row.label for row in rows]), ids, names)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
