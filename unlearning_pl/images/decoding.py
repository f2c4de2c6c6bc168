"""Load many encoded images: into memory once per machine, or streamed; corrupt images raise or are skipped.

Letters: N images, H height, W width, S height and width.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import PIL
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decode_image import (
    CorruptImageError,
    Reference,
    UnreadableImageError,
    check_header,
    decode,
    file_stamp,
    read_encoded,
)
from unlearning_pl.images.encoded_images import EncodedImages, map_threads
from unlearning_pl.images.machine_memory import total_memory
from unlearning_pl.images.resizing import ImageSize, side_of
from unlearning_pl.images.shared_pixels import share_pixels

__all__ = ["OnError", "Reference", "Storage", "decode", "load_images"]

OnError = Literal["raise", "skip"]
Storage = Literal["auto", "memory", "stream"]
Shape = tuple[int, int, int]

_MAX_NAMED = 5  # images that a message lists


def load_images(
    encoded: Sequence[Reference | bytes],
    names: Sequence[str],
    image_size: ImageSize | None,
    on_error: OnError = "raise",
    storage: Storage = "auto",
) -> tuple[Tensor | EncodedImages, list[int]]:
    """Decode images into memory, or check that they can be decoded later.

    As many threads as there are cores decode the pixels that are kept in memory; all processes of a machine share that
    memory (see :mod:`unlearning_pl.images.shared_pixels`). Of streamed images only the headers are read, unless corrupt
    images are to be skipped: to find them, every image is decoded once.

    Args:
        encoded: Location or bytes of each image; at least one.
        names: Name of each image in messages, N.
        image_size: S, to which the largest centred square is resized, or a
            :class:`~unlearning_pl.images.resizing.Resize`; without it all images must have one size.
        on_error: ``raise`` one error that names the corrupt images, or ``skip`` them with a warning.
        storage: ``memory`` holds all pixels, ``stream`` decodes batch by batch, ``auto`` holds pixels that take at most
            a quarter of the machine's total memory (free memory differs between two processes of one run).

    Returns:
        Pixels ``(N, 3, H, W)`` uint8, or an object that decodes them, and the rows of ``encoded`` that they belong to.

    Raises:
        InputError: If an image is corrupt and not to be skipped, all images are corrupt, sizes differ without
            ``image_size``, or images are to be streamed without it.

    Example:
        >>> load_images([b"", b"text"], ["a.png", "b.png"], image_size=8)
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected images that Pillow reads, got 2 of 2 that it does not: a.png (it ...
    """
    require(len(encoded) > 0, "Expected images, got none. Correct the source.")
    side = side_of(image_size)
    first, shape = (0, (3, side, side)) if side is not None else _first_shape(encoded)
    bytes_of_all = len(encoded) * int(np.prod(shape))
    if storage == "memory" or (storage == "auto" and bytes_of_all <= total_memory() // 4):
        return _load_pixels(encoded, names, image_size, on_error, (first, shape))
    require(
        image_size is not None,
        "Expected image_size with images that are streamed, got none. Set it, or storage: memory if they fit.",
    )
    assert image_size is not None
    faults = _find_faults(encoded, image_size if on_error == "skip" else None)
    kept = _decodable_rows(faults, names, on_error)
    return EncodedImages(encoded, names, image_size).take(kept), kept


def _load_pixels(
    encoded: Sequence[Reference | bytes],
    names: Sequence[str],
    image_size: ImageSize | None,
    on_error: OnError,
    first: tuple[int, Shape],
) -> tuple[Tensor, list[int]]:
    unread: list[int] = []  # the next process may be able to read these, so the result must not be shared

    def make() -> tuple[npt.NDArray[np.uint8], list[tuple[int, str]]]:
        pixels, faults, shapes = _decode_all(encoded, image_size, first[1], unread)
        kept = _decodable_rows(faults, names, on_error, warn=False)
        other = min(shapes, default=None)
        require(
            other is None,
            f"Expected images of one size, {_format_size(first[1])} as in {names[first[0]]}, got "
            f"{_format_size(shapes[other or 0])} in {names[other or 0]}. Set image_size to resize all."
            if shapes
            else "",
        )
        for place, row in enumerate(kept) if faults else ():
            pixels[place] = pixels[row]  # rows move to the front in place: a second array may not fit into memory
        return pixels[: len(kept)], sorted(faults.items())

    size = len(encoded) * int(np.prod(first[1]))
    images, recorded_faults = share_pixels(_cache_key(encoded, image_size, on_error), size, make, lambda: not unread)
    return images, _decodable_rows({int(row): str(reason) for row, reason in recorded_faults}, names, on_error)


def _first_shape(encoded: Sequence[Reference | bytes]) -> tuple[int, Shape]:
    """Row and shape of the first image that can be decoded."""
    for row, image in enumerate(encoded):
        try:
            pixels = decode(read_encoded(image))
        except CorruptImageError:
            continue
        return row, (3, *pixels.shape[1:])
    return 0, (3, 1, 1)  # all are corrupt: the error comes when all have been decoded


def _decode_all(
    encoded: Sequence[Reference | bytes], image_size: ImageSize | None, shape: Shape, unread: list[int]
) -> tuple[npt.NDArray[np.uint8], dict[int, str], dict[int, tuple[int, ...]]]:
    """Pixels, the fault of each corrupt image, and each shape that differs from ``shape``; extends ``unread``."""
    pixels = np.empty((len(encoded), *shape), dtype=np.uint8)
    faults: dict[int, str] = {}
    shapes: dict[int, tuple[int, ...]] = {}

    def one(row: int) -> None:
        try:
            image = decode(read_encoded(encoded[row]), image_size)
        except CorruptImageError as error:
            faults[row] = str(error)
            unread.extend([row] if isinstance(error, UnreadableImageError) else [])
            return
        if image.shape == shape:
            pixels[row] = image
        else:
            shapes[row] = image.shape

    map_threads(one, len(encoded))
    return pixels, faults, shapes


def _find_faults(encoded: Sequence[Reference | bytes], image_size: ImageSize | None) -> dict[int, str]:
    """Fault of each image that cannot be decoded, by row: checks all pixels with ``image_size``, else headers alone."""
    faults: dict[int, str] = {}

    def one(row: int) -> None:
        try:
            if image_size is None:
                check_header(encoded[row])
            else:
                decode(read_encoded(encoded[row]), image_size)
        except CorruptImageError as error:
            faults[row] = str(error)

    map_threads(one, len(encoded))
    return faults


def _decodable_rows(faults: Mapping[int, str], names: Sequence[str], on_error: OnError, warn: bool = True) -> list[int]:
    """Rows of the images without a fault; raises InputError unless corrupt images may be skipped and some remain."""
    if not faults:
        return list(range(len(names)))
    shown = ", ".join(f"{names[row]} ({faults[row]})" for row in sorted(faults)[:_MAX_NAMED])
    shown += f" and {len(faults) - _MAX_NAMED} others" if len(faults) > _MAX_NAMED else ""
    remedy = "Repair or remove them, or leave them out with on_error: skip."
    if len(faults) == len(names):
        remedy = "Repair them, or give other files."
    if on_error != "skip" or len(faults) == len(names):
        raise InputError(
            f"Expected images that Pillow reads, got {len(faults)} of {len(names)} that it does not: {shown}. {remedy}"
        )
    if warn:
        rank_zero_warn(f"{len(faults)} of {len(names)} images are corrupt and left out: {shown}.")
    return [row for row in range(len(names)) if row not in faults]


def _cache_key(encoded: Sequence[Reference | bytes], image_size: ImageSize | None, on_error: OnError) -> Iterator[Any]:
    """Everything that determines the pixels; another version of Pillow may decode differently."""
    yield from (PIL.__version__, image_size, on_error)
    stamps: dict[str, tuple[int, int, int]] = {}
    for image in encoded:
        if isinstance(image, Reference):
            if image.path not in stamps:
                stamps[image.path] = file_stamp(image.path)
            yield os.path.abspath(image.path), image.offset, image.size, *stamps[image.path]
        else:
            yield image


def _format_size(shape: Sequence[int]) -> str:
    return f"{shape[-1]}x{shape[-2]}"
