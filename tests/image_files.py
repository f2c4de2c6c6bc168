"""Real image files, small, for the tests of what reads them."""

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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
