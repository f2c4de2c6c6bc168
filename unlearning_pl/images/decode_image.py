"""Decode one image from its encoded bytes.

Letters: H height, W width.
"""

import io
import os
import warnings
from collections.abc import Callable
from threading import Lock
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from unlearning_pl.images.image_formats import image_suffixes, readable_formats, unreadable_reason
from unlearning_pl.images.image_metadata import load_upright, without_metadata
from unlearning_pl.images.resizing import ImageSize, resize
from unlearning_pl.images.rgb_conversion import is_deep, to_rgb

__all__ = [
    "CorruptImageError",
    "Reference",
    "UnreadableImageError",
    "check_header",
    "decode",
    "file_stamp",
    "image_suffixes",
    "read_encoded",
]

_HEADER_BYTES = 16 * 1024  # bytes that contain the header of almost every image
T = TypeVar("T")
_QUIET = Lock()  # filters of warnings belong to the process, not to a thread


class Reference(NamedTuple):
    """Location of the encoded bytes of one image.

    Attributes:
        path: The file.
        offset: Position of the first byte in the file.
        size: Number of bytes; -1 for all up to the end of the file.
    """

    path: str
    offset: int = 0
    size: int = -1


class CorruptImageError(ValueError):
    """The bytes of an image are missing or cannot be decoded; the message is the reason."""


class UnreadableImageError(CorruptImageError):
    """The file of an image cannot be read at present: missing permissions, missing memory, or a failing disk."""


def read_encoded(image: Reference | bytes, most: int | None = None) -> bytes:
    """Read the encoded bytes of an image, or the first ``most`` of them.

    Raises:
        CorruptImageError: If the file is missing, or ends before the image does.
        UnreadError: If the file cannot be read.

    Example:
        >>> read_encoded(b"as they are", most=2)
        b'as'
    """
    if isinstance(image, bytes):
        return image[:most]
    wanted = image.size if most is None or 0 <= image.size < most else most
    try:
        with open(image.path, "rb") as file:
            file.seek(image.offset)
            data = file.read(wanted)
    except FileNotFoundError as error:
        raise CorruptImageError(str(error.strerror)) from error
    except OSError as error:
        raise UnreadableImageError(error.strerror or type(error).__name__) from error
    if most is None and len(data) < wanted:
        raise CorruptImageError(f"the file ends after {len(data)} of {wanted} bytes")
    return data


def decode(data: bytes, image_size: ImageSize | None = None) -> npt.NDArray[np.uint8]:
    """Decode the first frame of an image, upright and in RGB.

    Formats are those of :func:`~unlearning_pl.images.image_formats.readable_formats`; of the metadata only the EXIF
    orientation counts. :func:`~unlearning_pl.images.rgb_conversion.to_rgb` has the rules for other modes and depths.

    Args:
        data: The encoded image.
        image_size: Height and width to which the largest centred square is resized bilinearly, or a
            :class:`~unlearning_pl.images.resizing.Resize`; None keeps the size.

    Returns:
        Pixels ``(3, H, W)``.

    Raises:
        CorruptImageError: If the image cannot be decoded to its last row, or its pixels cannot be represented in 8
            bits.
        UnreadableImageError: If there is not enough memory to decode it.

    Example:
        >>> file = io.BytesIO()
        >>> Image.new("RGB", (6, 4), "red").save(file, "png")
        >>> decode(file.getvalue()).shape, decode(file.getvalue(), 2)[:, 0, 0].tolist()
        ((3, 4, 6), [255, 0, 0])
    """
    try:
        image = _despite_metadata(_decode_upright, data)
    except MemoryError as error:
        raise UnreadableImageError("no memory to decode it") from error
    except Exception as error:  # Pillow's formats raise OSError, SyntaxError, struct.error and more
        raise CorruptImageError(_reason(data, error)) from error
    return np.ascontiguousarray(np.asarray(resize(image, image_size)).transpose(2, 0, 1))


def _decode_upright(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=readable_formats()) as image:
        deep = is_deep(image, data)
        turn = load_upright(image)
        rgb = to_rgb(image, deep)
    return rgb if turn is None else rgb.transpose(turn)


def _despite_metadata(read: Callable[[bytes], T], data: bytes) -> T:
    """Call ``read`` with the bytes of an image; if it fails, once more with those that determine the pixels."""
    try:
        return _despite_warnings(read, data)
    except MemoryError:
        raise
    except Exception:
        bare = without_metadata(data)
        if bare == data:
            raise
        return _despite_warnings(read, bare)


def _despite_warnings(read: Callable[[bytes], T], data: bytes) -> T:
    """Call ``read``; if warnings are errors, one of odd metadata or of many pixels is not a fault of the image."""
    try:
        return read(data)
    except Warning:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(data)


def check_header(image: Reference | bytes) -> None:
    """Check cheaply that the bytes are an image: read its header, but not its pixels.

    Raises:
        CorruptImageError: If they are not an image.

    Example:
        >>> check_header(b"text")
        Traceback (most recent call last):
        ...
        unlearning_pl.images.decode_image.CorruptImageError: no image format that Pillow knows
    """
    try:
        _check_header(read_encoded(image, _HEADER_BYTES))
    except CorruptImageError:
        _check_header(read_encoded(image))  # some formats need the whole file, and some headers are long


def _check_header(data: bytes) -> None:
    try:
        _despite_metadata(lambda content: Image.open(io.BytesIO(content), formats=readable_formats()).close(), data)
    except Exception as error:  # as above
        raise CorruptImageError(_reason(data, error)) from error


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return unreadable_reason(data)
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def file_stamp(path: str) -> tuple[int, int, int]:
    """Size of a file in bytes, and when its content and its inode changed, in nanoseconds; all -1 without a file.

    A copy can preserve the first time (``cp -p``, ``rsync -t``), but not the second.

    Example:
        >>> file_stamp("no/such/file")
        (-1, -1, -1)
    """
    try:
        status = os.stat(path)
    except OSError:
        return -1, -1, -1
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns
