"""Pixels are decoded, programs are not: formats that start something else are named and refused."""

import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from image_files import encoded, pixels, write
from PIL import EpsImagePlugin, Image

from unlearning_pl.errors import InputError
from unlearning_pl.images.decode_image import CorruptImageError, Reference, check_header, image_suffixes
from unlearning_pl.images.decoding import decode, load_images
from unlearning_pl.images.image_formats import readable_formats, unread_suffixes
from unlearning_pl.images.image_names import looks_like_image

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"


@pytest.fixture(autouse=True)
def _no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object, **__: object) -> None:
        raise AssertionError("a program was started")

    for name in ("run", "Popen", "check_call", "check_output"):
        monkeypatch.setattr(subprocess, name, start)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", start)


@pytest.mark.parametrize("read", [decode, check_header])
def test_eps_is_named_and_starts_nothing(read: object) -> None:
    with pytest.raises(CorruptImageError, match=r"^EPS is not read: convert it to PNG$"):
        read(EPS)  # type: ignore[operator]


def test_eps_under_the_name_of_a_photograph_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jpg", EPS)
    with pytest.raises(InputError, match=r"a\.jpg \(EPS is not read: convert it to PNG\)"):
        load_images([Reference(str(file))], ["a.jpg"], 8)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\xd7\xcd\xc6\x9a\0\0" + bytes(30), "WMF"),
        (b"\x89HDF\r\n\x1a\n" + bytes(30), "HDF5"),
        (b"\0\0\1\xb3" + bytes(30), "MPEG"),
        (b"8BPS\0\1" + bytes(30), "PSD"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"GRIB\0\0\0\1" + bytes(30), "GRIB"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(30), "HEIC"),
    ],
)
def test_other_formats_are_named(data: bytes, name: str) -> None:
    with pytest.raises(CorruptImageError, match=f"^{name} is not read"):
        decode(data)


def test_suffixes_are_those_of_the_formats_that_are_read() -> None:
    assert {
        ".jpg",
        ".jpeg",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".jp2",
        ".ppm",
        ".mpo",
    } <= image_suffixes()
    others = {".eps", ".ps", ".wmf", ".emf", ".h5", ".hdf", ".mpg", ".mpeg", ".fits", ".grib", ".bufr", ".pdf", ".psd"}
    assert not others & image_suffixes()
    assert not unread_suffixes().keys() & image_suffixes()


def test_every_suffix_of_pillow_is_read_or_named_or_no_image() -> None:
    no_images = {".h5", ".hdf", ".mpg", ".mpeg", ".grib", ".bufr", ".iim"}
    readable_formats()
    assert Image.registered_extensions().keys() - image_suffixes() - unread_suffixes().keys() == no_images
    for suffix in unread_suffixes():
        assert looks_like_image(f"a{suffix.upper()}", b"")
    assert not any(looks_like_image(f"a{suffix}", b"") for suffix in no_images)


@pytest.mark.parametrize("kind", readable_formats())
def test_every_listed_format_is_decoded(kind: str) -> None:
    if kind not in Image.SAVE:
        pytest.skip(f"Pillow does not write {kind}")
    data = encoded(pixels(16, 16), kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(data), expected)
    check_header(data)
