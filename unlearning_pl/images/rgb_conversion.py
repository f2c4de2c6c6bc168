"""From a decoded image of any mode to 8 bits of red, green and blue, or a reason why it cannot be represented.

Letters: H height, W width.
"""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

_TWELVE_BITS = 2**12
_REMEDY = "convert it to 8 bits a channel"
_BITS, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 262, 284, 339  # tags of TIFF
_JPEG2000_SIZE = b"\xff\x4f\xff\x51"  # start of a codestream and its first segment, with the bits a channel at byte 42


class UnrepresentableError(ValueError):
    """The pixels of an image have no representation in 8 bits by the rules of :func:`to_rgb`; the message says why."""


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether Pillow will keep the upper 8 bits only of each channel; ask before the pixels are decoded.

    Args:
        image: An opened image.
        data: Its encoded bytes.

    Raises:
        UnrepresentableError: If Pillow would misread a TIFF.

    Example:
        >>> is_deep(Image.new("RGB", (2, 2)), b"")
        False
    """
    tiles = [tile[3] for tile in getattr(image, "tile", [])]
    _check_tiff(getattr(image, "tag_v2", {}))
    if image.format == "PPM":
        return any(isinstance(args, tuple) and args[-1] > 255 for args in tiles)
    if image.format == "JPEG2000" and _JPEG2000_SIZE in data:
        start = data.index(_JPEG2000_SIZE)
        return any(depth & 0x7F >= 8 for depth in data[start + 42 : start + 43])
    return any(re.search(r";16[BLN]", str(args)) for args in tiles)


def _check_tiff(tags: Any) -> None:
    """Refuse kinds of TIFF that Pillow 13 reads wrongly without an error."""
    bits, formats = (np.atleast_1d(tags.get(tag, 1)) for tag in (_BITS, _SAMPLE_FORMAT))
    if bits.max() > 8 and len(bits) > 1 and tags.get(_PLANAR) == 2:
        raise UnrepresentableError(f"{bits.max()} bits in a plane for each channel, which Pillow misreads: {_REMEDY}")
    if bits.max() > 8 and tags.get(_PHOTOMETRIC) == 0:
        raise UnrepresentableError(f"{bits.max()} bits in which 0 is white, which Pillow misreads: {_REMEDY}")
    if bits.max() <= 8 and 2 in formats:
        raise UnrepresentableError("8 bits with a sign, which Pillow misreads: convert it to values from 0 to 255")


def to_rgb(image: Image.Image, deep: bool = False) -> Image.Image:
    """Convert a decoded image to RGB.

    - 8 bits, 1 bit, palettes, CMYK, YCbCr, LAB: as Pillow converts them; transparent pixels keep the colour under them.
    - 16 bits of gray, and whole numbers of 32 bits from 0 to 65535: the upper 8 bits.
    - 16 bits a colour channel (``deep``): the upper 8 bits, which are all that Pillow reads.
    - Floating point: 0 to 1 becomes 0 to 255, rounded; the largest value must be at least 1/16, as of 16 bits, or 0.

    Raises:
        UnrepresentableError: If a value lies outside these ranges; if values of 16 bits use the lower 12 only (at most
            4095), as those of many scanners and depth cameras do, which would be almost black; or if the result would
            be one colour although the image is not, such as black with a picture in its transparency. A ``deep`` image
            is never of one colour, since its lower bits are unknown.

    Example:
        >>> gray = Image.fromarray(np.array([[0, 40_000, 65_535]], dtype=np.uint16))
        >>> [red for red, *_ in np.asarray(to_rgb(gray))[0].tolist()]
        [0, 156, 255]
    """
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.convert("RGBA")  # Pillow recommends this step in a warning
    rgb = image.convert("RGB")
    if deep and max(high for _, high in _extrema(rgb)) < _TWELVE_BITS >> 8:
        raise UnrepresentableError(f"its channels of 16 bits use at most 12 of them, which is almost black: {_REMEDY}")
    if _is_constant(rgb) and (deep or not _is_constant(image.convert("RGBA") if image.mode in ("P", "PA") else image)):
        kind = "16 bits a channel" if deep else f"{image.mode} with colours or transparency that differ"
        raise UnrepresentableError(f"{kind}, which becomes one colour in RGB: {_REMEDY}, without transparency")
    return rgb


def _to_8_bits(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Shades of gray ``(H, W)``, by the rules of :func:`to_rgb`."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        if not (low >= 0 and high <= 1):  # also NaN
            raise UnrepresentableError(f"floating point from {low:g} to {high:g}, not from 0 to 1: {_REMEDY}")
        if 0 < high < _TWELVE_BITS / 2**16:
            raise UnrepresentableError(f"floating point up to {high:g} of 1, which is almost black: {_REMEDY}")
        shades: npt.NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    else:
        if low < 0 or high >= 2**16:
            raise UnrepresentableError(f"whole numbers from {low} to {high}, not from 0 to 65535: {_REMEDY}")
        if 0 < high < _TWELVE_BITS:
            raise UnrepresentableError(
                f"values of 16 bits that use at most 12 of them, up to {high}, which is almost black: {_REMEDY}"
            )
        shades = (values >> 8).astype(np.uint8)
    if low != high and shades.min() == shades.max():
        raise UnrepresentableError(f"values from {low:g} to {high:g}, which become one shade in 8 bits: {_REMEDY}")
    return shades


def _is_constant(image: Image.Image) -> bool:
    right, bottom = image.width - 1, image.height - 1
    corners = {image.getpixel(place) for place in ((0, 0), (right, 0), (0, bottom), (right, bottom))}
    return len(corners) == 1 and all(low == high for low, high in _extrema(image))  # most images end at the corners


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = np.reshape(np.array(image.getextrema()), (-1, 2)).tolist()
    return pairs
