"""Serialisation of images and vectors between client and server; docs/owner.md defines the protocol.

Both sides read untrusted input: they accept no pickle, check every size, and decode no decompression bomb.

Letters: B rows of a batch, H height, W width, D dimensions of a vector.
"""

import base64
import io
import json
import re
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decode_image import CorruptImageError, decode

VERSION = 1
"""Version of the protocol."""
NPY, JSON = "application/x-npy", "application/json"
MAX_BYTES = 64 * 2**20
"""Maximum number of bytes of a request or a response, and of the pixels of all its images."""
MAX_JSON_BYTES = 16 * 2**20
"""Maximum number of bytes of a request or a response in JSON, which takes up to 32 times as many when it is read."""
_MAX_HEADER = 2**16  # bytes of the header of a .npy file
_HEADERS = {(1, 0): (np.lib.format.read_array_header_1_0, 2), (2, 0): (np.lib.format.read_array_header_2_0, 4)}
"""By .npy version: the function that reads a header, and the number of bytes of the header length."""

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]


def write_array(array: Array) -> bytes:
    """Serialise an array to the bytes of a .npy file.

    Example:
        >>> read_array(write_array(np.arange(6).reshape(2, 3))).tolist()
        [[0, 1, 2], [3, 4, 5]]
    """
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return stream.getvalue()


def read_array(body: bytes) -> Array:
    """Read the array in the bytes of a .npy file, without a copy and read-only; checks its size against its header.

    Raises:
        InputError: If the bytes are not a .npy file, or hold Python objects.

    Example:
        >>> read_array(b"PK")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected the bytes of a .npy file, got something else. Use numpy.save.
    """
    stream = io.BytesIO(body[:_MAX_HEADER])
    try:
        read_header, size = _HEADERS[np.lib.format.read_magic(stream)]
        start = stream.tell() + size
        length = int.from_bytes(body[start - size : start], "little")
        # Python 2 integers, for which numpy warns: untrusted input must not trigger warnings
        if re.search(rb"\dL", body[start : start + length]):
            raise ValueError
        shape, fortran, dtype = read_header(stream)
        if min(shape, default=0) < 0:  # reshape would infer a dimension of -1
            raise ValueError
        values = np.frombuffer(body, dtype, offset=stream.tell())
        return values.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # numpy parses a header as Python, which also raises SyntaxError, MemoryError and more
        raise InputError("Expected the bytes of a .npy file, got something else. Use numpy.save.") from error


def read_images(body: bytes, kind: str, image_size: tuple[int, int]) -> Array:
    """Read images ``(B, H, W, 3)`` uint8 from the body of a request.

    Args:
        body: Body of the request.
        kind: Its content type, :data:`NPY` or :data:`JSON`.
        image_size: Height and width of the images that the model takes.

    Raises:
        InputError: If the body has no images, or images of another size.
    """
    require(kind in (NPY, JSON), f"Expected Content-Type {NPY} or {JSON}, got {kind or 'none'}. Set the header.")
    images = read_array(body) if kind == NPY else _images_from_json(body, image_size)
    height, width = image_size
    require(
        images.dtype == np.uint8 and images.shape[1:] == (height, width, 3) and len(images) > 0,
        f"Expected images (B, {height}, {width}, 3) of uint8, got {images.shape} of {images.dtype}. Resize or convert "
        "them.",
    )
    return images.copy()  # an array over the bytes of the request is read-only, and torch would warn


def write_vectors(vectors: Array, kind: str) -> bytes:
    """Serialise vectors ``(B, D)`` to a response of content type :data:`NPY` or :data:`JSON`.

    Example:
        >>> write_vectors(np.ones((1, 2), np.float32), JSON)
        b'{"vectors": [[1.0, 1.0]]}'
    """
    vectors = vectors.astype(np.float32)
    return write_array(vectors) if kind == NPY else json.dumps({"vectors": vectors.tolist()}).encode()


def read_vectors(body: bytes, kind: str) -> Array:
    """Read vectors from a response of content type ``kind``; the encoder checks their number and that they are finite.

    Raises:
        InputError: If the response has no vectors.

    Example:
        >>> read_vectors(b'{"vectors": [[1, 2.5]]}', JSON)
        array([[1. , 2.5]])
    """
    require(
        kind in (NPY, JSON), f"Expected type {NPY} or {JSON}, got {kind or 'none'}. Contact the operator of the server."
    )
    vectors = read_array(body) if kind == NPY else _vectors_from_json(body)
    require(
        vectors.dtype.kind in "fiu" and vectors.ndim == 2,
        f"Expected vectors (B, D), got {vectors.shape} of {vectors.dtype}. Contact the operator of the server.",
    )
    return vectors


def _read_list(body: bytes, key: str) -> list[Any]:
    try:
        values = json.loads(body)[key]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f'Expected JSON of the form {{"{key}": [...]}}, got something else. Correct it.') from error
    if not isinstance(values, list):
        raise InputError(f"Expected a list as {key}, got {type(values).__name__}. Correct it.")
    return values


def _vectors_from_json(body: bytes) -> Array:
    rows = _read_list(body, "vectors")
    numbers = list(chain.from_iterable(row for row in rows if type(row) is list))
    # numpy would make text of numbers beside a text, as many characters each as the longest has
    if not set(map(type, numbers)) <= {int, float} or not all(type(row) is list for row in rows):
        raise InputError("Expected vectors as lists of numbers, got something else. Correct them.")
    try:
        return np.array(rows)
    except (ValueError, OverflowError) as error:
        raise InputError("Expected vectors of one length, got several. Correct them.") from error


def _images_from_json(body: bytes, image_size: tuple[int, int]) -> Array:
    images = _read_list(body, "images")
    height, width = image_size
    require(
        len(images) * height * width * 3 <= MAX_BYTES,
        f"Expected images of at most {MAX_BYTES} bytes together, got {len(images)} of {height}x{width} pixels. Send "
        "fewer at a time.",
    )
    if images and all(isinstance(image, str) for image in images):
        return np.stack([_decode_image(text, row, image_size) for row, text in enumerate(images)])
    numbers = images
    for length in (height, width, 3):
        _check_numbers(all(type(part) is list and len(part) == length for part in numbers), image_size)
        numbers = list(chain.from_iterable(numbers))
    _check_numbers(set(map(type, numbers)) == {int} and min(numbers) >= 0 and max(numbers) <= 255, image_size)
    return np.array(numbers, np.uint8).reshape(-1, height, width, 3)


def _check_numbers(valid: bool, image_size: tuple[int, int]) -> None:
    height, width = image_size
    require(
        valid,
        f"Expected images as base64 of PNG or JPEG, or as lists of {height} rows of {width} pixels of 3 whole numbers "
        "from 0 to 255, got something else. Correct them.",
    )


def _decode_image(text: str, row: int, image_size: tuple[int, int]) -> Array:
    try:
        data = base64.b64decode(text, validate=True)
        width, height = Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]).size
        # decodes only after a check of the size, because a small file can expand to a huge image
        pixels = decode(data).transpose(1, 2, 0) if {width, height} == set(image_size) else None
    except Exception as error:  # base64 and Pillow raise OSError, SyntaxError, struct.error and more
        reason = str(error) if isinstance(error, CorruptImageError) else "something else"
        raise InputError(f"Expected base64 of a PNG or JPEG as image {row}, got {reason}. Correct it.") from error
    height, width = (height, width) if pixels is None else pixels.shape[:2]
    if pixels is None or (height, width) != image_size:
        raise InputError(
            f"Expected image {row} of {image_size[1]}x{image_size[0]} pixels, got {width}x{height}. Resize it."
        )
    return pixels
