"""Pixels of any depth become what a plain calculation says, or the image is refused; none becomes one colour unsaid."""

import io
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from image_files import encoded, png, tiff
from PIL import Image

from unlearning_pl.images.decode_image import CorruptImageError
from unlearning_pl.images.decoding import decode, load_images

RANGES = [(0, 0), (0, 1), (0, 15), (0, 255), (0, 4095), (0, 4096), (0, 65535), (300, 310), (40_000, 40_100), (7, 7)]
KINDS = ["png gray", "png colour", "tiff gray", "tiff colour", "tiff gray >", "tiff colour >", "tiff int", "tiff float"]


def oracle(values: np.ndarray, colour: bool) -> np.ndarray | None:
    """RGB of ``values`` ``(H, W, C)`` by the documented rules, pixel by pixel; None where the image is refused."""
    rgb = np.empty((3, *values.shape[:2]), np.uint8)
    for row, column in np.ndindex(values.shape[:2]):
        for channel in range(3):
            value = values[row, column, channel if colour else 0]
            if values.dtype.kind == "f":
                if not 0 <= value <= 1:
                    return None
                rgb[channel, row, column] = round(float(np.float32(value * 255)))
            elif not 0 <= value < 65536:
                return None
            else:
                rgb[channel, row, column] = int(value) // 256
    seen = values[:, :, :3] if colour else values[:, :, :1]
    if seen.max() < (1 / 16 if values.dtype.kind == "f" else 4096) and (seen.max() > 0 or colour):
        return None
    one_colour = all(len(np.unique(channel)) == 1 for channel in rgb)
    same = all(len(np.unique(channel)) == 1 for channel in np.moveaxis(values, 2, 0))
    return None if one_colour and (colour or not same) else rgb


def written(values: np.ndarray, kind: str) -> bytes:
    if kind.startswith("png"):
        return png(values)
    return tiff(values.astype(values.dtype.newbyteorder(">" if kind.endswith(">") else "<")),
                photometric=2 if "colour" in kind else 1)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.sampled_from(KINDS), st.data())
def test_deep_pixels_follow_the_rules_or_are_refused(kind: str, draw: st.DataObject) -> None:
    colour = "colour" in kind
    shape = (
        draw.draw(st.integers(1, 3)),
        draw.draw(st.integers(1, 3)),
        draw.draw(st.sampled_from([3, 4])) if colour else 1,
    )
    if kind == "tiff float":
        low, high = draw.draw(st.sampled_from([(0, 1), (0, 2**-10), (0.5, 0.5), (0, 255), (-1, 1), (0, float("nan"))]))
        elements = st.floats(low, high if high == high else 1, width=32) | st.sampled_from([np.float32(high)])
        values = draw.draw(arrays(np.float32, shape, elements=elements))
    else:
        low, high = draw.draw(st.sampled_from([*RANGES, (-5, 5), (0, 2**31 - 1)] if kind == "tiff int" else RANGES))
        values = draw.draw(
            arrays(np.int32 if kind == "tiff int" else np.uint16, shape, elements=st.integers(low, high))
        )
    expected = oracle(values, colour)
    if expected is None:
        with pytest.raises(CorruptImageError, match="convert it to 8 bits"):
            decode(written(values, kind))
    else:
        np.testing.assert_array_equal(decode(written(values, kind)), expected)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(["1", "L", "LA", "RGB", "RGBA", "P", "CMYK"]), st.sampled_from(["png", "tiff", "bmp"]), st.data()
)
def test_no_shallow_image_becomes_one_colour_unless_it_is(mode: str, kind: str, draw: st.DataObject) -> None:
    channels = len(Image.new(mode, (1, 1)).getbands())
    values = draw.draw(arrays(np.uint8, (2, 2, channels), elements=st.sampled_from([0, 7, 255])))
    image = Image.new(mode, (2, 2))
    image.putdata([tuple(pixel) if channels > 1 else int(pixel[0]) for pixel in values.reshape(4, -1).tolist()])
    if mode == "P":
        image.putpalette([shade for shade in range(256) for _ in range(3)])
    try:
        data = encoded(image, kind)
    except OSError:  # this format has no such mode
        return
    source = Image.open(io.BytesIO(data))
    expected = np.asarray(source.convert("RGB")).transpose(2, 0, 1)
    shades = source.convert("RGBA") if source.mode == "P" else source
    if is_constant(expected.transpose(1, 2, 0)) and not is_constant(np.asarray(shades)):
        with pytest.raises(CorruptImageError, match="one colour"):
            decode(data)
    else:
        np.testing.assert_array_equal(decode(data), expected)


def is_constant(image: np.ndarray) -> bool:
    return len(np.unique(image.reshape(image.shape[0] * image.shape[1], -1), axis=0)) == 1


def gray(low: int, high: int, kind: Any = np.uint16) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (8, 8, 1)).astype(kind)


REFUSED = {
    "8 bits in 16": (png(gray(0, 256)), "at most 12 of them, up to 25.*almost black"),
    "12 bits in 16": (png(gray(0, 4096)), "at most 12 of them"),
    "lower 8 bits": (png(gray(40_000, 40_100)), "from 400.. to 400.., which become one shade"),
    "12 bits a channel": (png(np.repeat(gray(0, 4096), 3, 2)), "channels of 16 bits use at most 12"),
    "lower 8 bits a channel": (tiff(np.repeat(gray(40_000, 40_100), 3, 2), photometric=2), "16 bits a channel, which"),
    "gray and transparency of 16 bits": (png(np.repeat(gray(0, 256), 2, 2)), "channels of 16 bits use at most 12"),
    "12 bits in PPM": (b"P6 2 1 65535\n" + bytes([0, 1, 0, 200, 1, 0] * 2), "channels of 16 bits use at most 12"),
    "float of 8 bits": (tiff(gray(0, 256, np.float32)), r"floating point from [0-9.]+ to 25[0-9.]+, not from 0 to 1"),
    "dark float": (tiff(gray(0, 9, np.float32) / np.float32(1e5)), "almost black"),
    "dark float of two shades": (tiff(gray(0, 4, np.float32) / np.float32(1e3)), "up to 0.003 of 1, which is almost"),
    "gray float of one shade": (tiff(gray(510, 514, np.float32) / np.float32(5e3)), "one shade"),
    "NaN": (tiff(np.full((2, 2, 1), np.nan, np.float32)), "floating point from nan to nan"),
    "32 bits": (tiff(gray(0, 2**24, np.int32)), "whole numbers from .* not from 0 to 65535"),
    "negative": (tiff(gray(-9, 9, np.int16)), "whole numbers from -9 to"),
    "8 bits with a sign": (tiff(gray(-9, 9, np.int8)), "8 bits with a sign"),
    "16 bits, white is 0": (tiff(gray(0, 65535), photometric=0), "0 is white"),
    "16 bits in planes": (tiff(np.repeat(gray(0, 65535), 3, 2), photometric=2, planar=2), "plane for each channel"),
    "float of 64 bits": (tiff(np.random.default_rng(0).random((4, 4, 1))), "TIFF that is damaged, or of a kind"),
    "float colour": (tiff(np.zeros((4, 4, 3), np.float32), photometric=2), "TIFF that is damaged, or of a kind"),
    "all in the transparency": (png(np.dstack([np.zeros((8, 8, 3)), gray(0, 256)]).astype(np.uint8)), "one colour"),
    "gray, all in the transparency": (png(np.dstack([np.zeros((8, 8)), gray(0, 256)]).astype(np.uint8)), "one colour"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_rule_is_refused_with_a_remedy(case: str) -> None:
    data, reason = REFUSED[case]
    with pytest.raises(CorruptImageError, match=reason) as caught:
        decode(data)
    assert re.search(r"convert it to (8 bits|values)", str(caught.value))


def test_it_is_counted_named_and_skipped_like_a_corrupt_image() -> None:
    good = np.random.default_rng(1).integers(0, 65536, (8, 8, 1)).astype(np.uint16)
    images = [png(good), REFUSED["8 bits in 16"][0], REFUSED["float of 8 bits"][0]]
    with pytest.warns(UserWarning, match=r"2 of 3 images are corrupt and left out: b \(values of 16.*, c \(floating"):
        found, kept = load_images(images, ["a", "b", "c"], None, "skip")
    assert kept == [0]
    np.testing.assert_array_equal(found[0][0], good[:, :, 0] >> 8)


def test_a_black_image_of_sixteen_bits_is_black() -> None:
    assert decode(png(np.zeros((2, 2, 1), np.uint16))).max() == 0


def test_transparent_pixels_keep_their_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    image[:, :, 3] = 0
    np.testing.assert_array_equal(decode(png(image)), image[:, :, :3].transpose(2, 0, 1))


def test_jpeg_2000_of_sixteen_bits_keeps_the_upper_eight() -> None:
    shades = gray(0, 65536)[:, :, 0]
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(shades), "jpeg2000"))[0], shades >> 8)


def test_jpeg_2000_of_many_bits_and_one_colour_is_refused() -> None:
    data = bytearray(encoded(np.zeros((8, 8, 3), np.uint8), "jpeg2000"))
    start = data.index(b"\xff\x4f\xff\x51")
    assert decode(bytes(data)).max() == 0
    data[start + 42 : start + 51 : 3] = bytes([15]) * 3  # as if each channel had 16 bits
    with pytest.raises(CorruptImageError, match="16 bits a channel"):
        decode(bytes(data))
