"""The orientation is read, and no other metadata, damaged or large, spoils a photograph."""

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from image_files import encoded, pixels, png, png_chunk, tiff
from PIL import Image

from unlearning_pl.images.decode_image import CorruptImageError, check_header
from unlearning_pl.images.decoding import decode

PHOTO = pixels(4, 6)
TURNED = np.rot90(PHOTO, -1).transpose(2, 0, 1)
UPRIGHT = PHOTO.transpose(2, 0, 1)


def exif(*entries: bytes, data: bytes = b"") -> bytes:
    orientation = struct.pack("<HHII", 0x0112, 3, 1, 6)  # to be turned clockwise by a quarter
    directory = struct.pack("<H", 1 + len(entries)) + orientation + b"".join(entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + data


NEGATIVE = exif(struct.pack("<HHII", 0x011A, 10, 1, 38), data=struct.pack("<ii", -1, 0))  # XResolution of -1/0
TWICE = exif(struct.pack("<HHII", 0x011A, 5, 2, 38), data=struct.pack("<IIII", 72, 1, 72, 1))
OUTSIDE = exif(struct.pack("<HHII", 0x927C, 7, 1000, 99_999))  # a maker's note beyond the end
TEXT = b"comment\0\0" + zlib.compress(bytes(2 * 2**20))  # more than Pillow decompresses


def jpeg(*segments: tuple[int, bytes], image: np.ndarray = PHOTO) -> bytes:
    data = encoded(image, "jpeg", quality=100, subsampling=0)
    parts = (bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content for marker, content in segments)
    return data[:2] + b"".join(parts) + data[2:]


ODD = {
    "text of 2 MB": png(PHOTO, (b"zTXt", TEXT)),
    "text of 2 MB behind": png(PHOTO)[:-12] + png_chunk(b"zTXt", TEXT) + png(PHOTO)[-12:],
    "70 texts": png(PHOTO, *[(b"tEXt", b"%d\0" % number + bytes(2**20)) for number in range(70)]),
    "text with a wrong checksum": png(PHOTO, (b"tEXt", b"a\0text")).replace(b"a\0text", b"a\0tuxt"),
    "short profile": png(PHOTO, (b"iCCP", b"a")),
    "large profile": png(PHOTO, (b"iCCP", TEXT)),
    "short gamma": png(PHOTO, (b"gAMA", b"")),
    "short resolution": png(PHOTO, (b"pHYs", b"")),
    "short animation": png(PHOTO, (b"acTL", b"")),
    "invalid animation": png(PHOTO, (b"acTL", bytes(8))),
    "EXIF is no EXIF": png(PHOTO, (b"eXIf", b"garbage")),
    "EXIF as text that is none": png(PHOTO, (b"tEXt", b"Raw profile type exif\0\nexif\n  8\nzz")),
    "tag outside the TIFF": tiff(PHOTO, [(34675, 7, bytes(20))], 2).replace(struct.pack("<H", 34675), b"\x73\x87"),
    "XMP of TIFF as text": tiff(PHOTO, [(700, 2, b"AAAA")], 2),
    "GPS of TIFF nowhere": tiff(PHOTO, [(0x8825, 4, struct.pack("<I", 9_999_999))], 2),
}
SEGMENTS = {
    "short JFIF": (0xE0, b"JFIF"),
    "short profile": (0xE2, b"ICC_PROFILE\0"),
    "short Adobe": (0xEE, b"Adobe"),
    "Photoshop": (0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x02ab"),
    "pictures of a stereo camera": (0xE2, b"MPF\0junk"),
    "comment": (0xFE, b"\xff\xfe"),
    "no EXIF": (0xE1, b"Exif\0\0"),
    "EXIF is garbage": (0xE1, b"Exif\0\0garbage"),
}
TURNS = {
    "EXIF": exif(),
    "negative resolution": NEGATIVE,
    "two resolutions": TWICE,
    "maker's note outside": OUTSIDE,
}


@pytest.mark.filterwarnings("default")  # Pillow may warn; the image is read
@pytest.mark.parametrize("case", ODD)
def test_odd_metadata_leave_the_pixels_as_they_are(case: str) -> None:
    np.testing.assert_array_equal(decode(ODD[case]), UPRIGHT)
    check_header(ODD[case])


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("case", SEGMENTS)
def test_odd_segments_of_a_jpeg_leave_the_pixels_as_they_are(case: str) -> None:
    data = jpeg(SEGMENTS[case])
    np.testing.assert_array_equal(decode(data), decode(jpeg()))
    check_header(data)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("case", TURNS)
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "broken jpeg", "broken png"])
def test_the_orientation_is_read_beside_odd_tags(case: str, kind: str) -> None:
    tags = TURNS[case]
    if kind == "jpeg":
        data = jpeg((0xE1, b"Exif\0\0" + tags))
    elif kind == "broken jpeg":
        data = jpeg((0xE0, b"JFIF"), (0xE1, b"Exif\0\0" + tags))
    elif kind == "webp":
        data = encoded(PHOTO, "webp", lossless=True, exif=b"Exif\0\0" + tags)
    else:
        data = png(PHOTO, (b"eXIf", tags), *([(b"gAMA", b"")] if kind == "broken png" else []))
    expected = np.rot90(decode(jpeg()), -1, (1, 2)) if "jpeg" in kind else TURNED
    np.testing.assert_array_equal(decode(data), expected)


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["tiff", "png"])
def test_every_orientation_is_that_of_exif(orientation: int, kind: str) -> None:
    turn = {
        2: lambda image: image[:, ::-1],
        3: lambda image: image[::-1, ::-1],
        4: lambda image: image[::-1],
        5: lambda image: image.transpose(1, 0, 2),
        6: lambda image: np.rot90(image, -1),
        7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
        8: lambda image: np.rot90(image),
    }.get(orientation, lambda image: image)
    tag = struct.pack("<H", orientation)
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = tiff(PHOTO, [(0x0112, 3, tag)], 2) if kind == "tiff" else encoded(PHOTO, exif=tags)
    np.testing.assert_array_equal(decode(data), turn(PHOTO).transpose(2, 0, 1))


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("kind", ["jpeg", "jpeg with EXIF", "png", "webp"])
def test_the_orientation_of_xmp_does_not_count(kind: str) -> None:
    if kind.startswith("jpeg"):
        own = [(0xE1, b"Exif\0\0II*\0\x08\0\0\0" + bytes(6))] if "EXIF" in kind else []
        data, expected = jpeg(*own, (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)), decode(jpeg())
    elif kind == "png":
        data, expected = png(PHOTO, (b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + XMP)), UPRIGHT
    else:
        data, expected = encoded(PHOTO, "webp", lossless=True, xmp=XMP), UPRIGHT
    assert Image.open(io.BytesIO(data)).getexif()[0x0112] == 6
    np.testing.assert_array_equal(decode(data), expected)


def test_exif_as_text_of_a_png_counts() -> None:
    text = b"\nexif\n%8d\n" % len(exif()) + exif().hex().encode()
    data = png(PHOTO, (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))
    np.testing.assert_array_equal(decode(data), TURNED)


def test_a_large_photograph_is_read_where_warnings_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", PHOTO.size // 4)  # it has more pixels, and less than twice as many
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(encoded(PHOTO))).close()
    for read in (decode, check_header):
        found: Any = read(encoded(PHOTO))  # type: ignore[operator]
        assert found is None or np.array_equal(found, UPRIGHT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(decode(ODD["invalid animation"]), UPRIGHT)


def test_what_makes_the_pixels_is_no_metadata() -> None:
    damaged = bytearray(png(PHOTO))
    damaged[damaged.index(b"IDAT") + 6] ^= 1
    for data in (bytes(damaged), png(PHOTO, (b"tRNS", b"")), encoded(PHOTO, "jpeg")[:-40], jpeg((0xE0, b"JFIF"))[:60]):
        with pytest.raises(CorruptImageError):
            decode(data)
