"""Metadata of encoded images: the orientation is read, nothing else, and no damage of the rest spoils the pixels."""

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

_ORIENTATION = 0x0112  # tag of EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_KEPT_CHUNKS = (b"tRNS", b"eXIf")  # besides the critical ones: transparency and orientation
_EXIF, _ADOBE, _SCAN = 0xE1, 0xEE, 0xDA  # markers of JPEG
_APPLICATION, _COMMENT = range(0xE0, 0xF0), 0xFE


def load_upright(image: Image.Image) -> Image.Transpose | None:
    """Decode the pixels of an opened image, and return how to turn them upright.

    ``ImageOps.exif_transpose`` writes all tags anew, which fails if one of them is invalid. A photograph whose
    EXIF cannot be read has no orientation.

    Example:
        >>> load_upright(Image.new("L", (2, 2))) is None
        True
    """
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        image.load()
        return _TURNS.get(_orientation(lambda: _exif(image)))
    turn = _TURNS.get(_orientation(lambda: tags))
    setattr(image, "load_end", lambda: None)  # noqa: B010  TIFF: it reads all tags and turns the image itself
    image.load()
    return turn


def _exif(image: Image.Image) -> Image.Exif:
    """EXIF alone: Pillow's ``getexif`` also takes the orientation of XMP."""
    data, text = image.info.get("exif"), image.info.get("Raw profile type exif")
    if data is None and text is not None:  # of a PNG, in hexadecimal after three lines
        data = bytes.fromhex("".join(text.split("\n")[3:]))
    tags = Image.Exif()
    if data is not None:
        tags.load(data)
    return tags


def _orientation(read_tags: Any) -> int:
    try:
        value = read_tags().get(_ORIENTATION)
    except Warning:  # the caller reads again, without warnings
        raise
    except Exception:  # Pillow raises SyntaxError, struct.error, UnicodeDecodeError and more
        return 1
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else 1


def without_metadata(data: bytes) -> bytes:
    """Bytes of a PNG or JPEG without text, colour profiles and all else that does not determine its pixels.

    Pillow refuses an image if a chunk of text has more than 1 MB or a wrong checksum, or a field of a profile is
    short. Its pixels are there nevertheless. Bytes of another format are returned as they are.

    Example:
        >>> without_metadata(b"GIF89a")
        b'GIF89a'
    """
    if data.startswith(_PNG):
        return _PNG + b"".join(_png_chunks(data))
    if data.startswith(_JPEG):
        return _JPEG + b"".join(_jpeg_segments(data))
    return data


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Critical chunks, whole or truncated, and those of ``_KEPT_CHUNKS`` that are intact."""
    place = len(_PNG)
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4].rjust(4, b"\0"))
        chunk = data[place : place + 12 + length]
        name, checksum = chunk[4:8], chunk[-4:]
        intact = name in _KEPT_CHUNKS and checksum == struct.pack(">I", zlib.crc32(chunk[4:-4]))
        if intact or name[:1].isupper():
            yield chunk
        place += 12 + length


def _jpeg_segments(data: bytes) -> Iterator[bytes]:
    """Tables, frame and scan; of the applications' segments the EXIF and Adobe's, which tells the colour space."""
    place = len(_JPEG)
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _SCAN:
        marker, (length,) = data[place + 1], struct.unpack(">H", data[place + 2 : place + 4])
        end = place + 1 if marker == 0xFF else place + 2 + length  # 0xFF before a marker fills
        segment = data[place:end]
        exif = marker == _EXIF and segment[4:10] == b"Exif\0\0"
        adobe = marker == _ADOBE and segment[4:9] == b"Adobe" and len(segment) >= 16
        if exif or adobe or not (marker in _APPLICATION or marker == _COMMENT):
            yield segment
        place = end
    yield data[place:]
