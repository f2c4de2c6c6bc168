"""Real image files, small, for the tests of what reads them."""

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from unlearning_pl.data import Folder


class Brighter(Folder):
    """A folder whose images are normalised in another way."""

    mean = (0.1, 0.1, 0.1)


GOOD = ("png", "jpeg", "webp", "bmp", "tiff")


def pixels(height: int = 8, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: np.ndarray | Image.Image, kind: str = "png", **options: Any) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, kind, **options)
    return buffer.getvalue()


def truncated() -> bytes:
    """A JPEG that ends in the middle of its pixels; its header is whole."""
    data = encoded(pixels(64, 64), "jpeg")
    return data[: len(data) // 2]


def bomb() -> bytes:
    """A PNG of a few bytes that claims to have 40 000 x 40 000 pixels."""
    data = bytearray(encoded(pixels(1, 1)))
    data[16:24] = (40_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)


def png(image: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of ``(H, W, C)`` of 8 or 16 bits, which Pillow does not write in colour, with chunks before its pixels."""
    height, width, channels = image.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * image.itemsize, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(image.dtype.newbyteorder(">")).tobytes() for row in image)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def tiff(
    image: np.ndarray, tags: Iterable[tuple[int, int, bytes]] = (), photometric: int = 1, planar: int = 1
) -> bytes:
    """A TIFF of ``(H, W, C)`` of any type in its byte order; further tags are (number, type, content of 4 bytes)."""
    order = ">" if image.dtype.byteorder == ">" else "<"
    height, width, channels = image.shape

    def shorts(*values: int) -> bytes:
        return struct.pack(f"{order}{len(values)}H", *values)

    pixels_at = 8
    lists_at = pixels_at + image.nbytes
    many = shorts(*[8 * image.itemsize] * channels), shorts(*[{"u": 1, "i": 2, "f": 3}[image.dtype.kind]] * channels)
    entries = [(256, 3, shorts(width)), (257, 3, shorts(height)), (259, 3, shorts(1)), (262, 3, shorts(photometric))]
    entries += [(258, 3, many[0]), (277, 3, shorts(channels)), (278, 3, shorts(height)), (339, 3, many[1])]
    entries += [(284, 3, shorts(planar)), (273, 4, struct.pack(order + "I", pixels_at)), *tags]
    entries += [(279, 4, struct.pack(order + "I", image.nbytes)), *([(338, 3, shorts(2))] if channels == 4 else [])]
    lists, directory = b"", b""
    for tag, kind, content in sorted(entries):
        count = len(content) // {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}[kind]
        place = struct.pack(order + "I", lists_at + len(lists)) if len(content) > 4 else content.ljust(4, b"\0")
        lists += content if len(content) > 4 else b""
        directory += struct.pack(f"{order}HHI", tag, kind, count) + place
    start = b"II*\0" if order == "<" else b"MM\0*"
    head = start + struct.pack(order + "I", lists_at + len(lists))
    return head + image.tobytes() + lists + shorts(len(entries)) + directory + bytes(4)


def write(place: Path, content: bytes) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return place


def by_class(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 3, size: int = 8) -> Path:
    """A folder with a folder for each class, of images of all formats."""
    for row in range(each * len(classes)):
        kind = GOOD[row % len(GOOD)]
        image = encoded(pixels(size, size, seed=row + len(root.name)), kind)
        write(root / classes[row // each] / f"{row}.{kind}", image)
    return root
