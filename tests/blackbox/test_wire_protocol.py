"""What goes over the wire comes back, and what a stranger sends does no harm."""

import base64
import io
import json
import pickle
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from unlearning_pl.blackbox.wire_protocol import (
    JSON,
    NPY,
    read_array,
    read_images,
    read_vectors,
    write_array,
    write_vectors,
)
from unlearning_pl.errors import InputError

IMAGES = np.random.default_rng(0).integers(256, size=(3, 4, 6, 3), dtype=np.uint8)


def encoded(image: np.ndarray, kind: str = "PNG") -> str:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format=kind)
    return base64.b64encode(stream.getvalue()).decode()


def listed(images: Any) -> bytes:
    return json.dumps({"images": images}).encode()


@given(arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=4)))
def test_an_array_comes_back(array: np.ndarray) -> None:
    for order in (array, np.asfortranarray(array)):
        np.testing.assert_array_equal(read_array(write_array(order)), np.load(io.BytesIO(write_array(order))))


@pytest.mark.parametrize("kind", [NPY, JSON])
def test_vectors_come_back_to_the_last_bit(kind: str) -> None:
    vectors = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    np.testing.assert_array_equal(read_vectors(write_vectors(vectors, kind), kind).astype(np.float32), vectors)


def test_images_come_as_an_array_as_png_as_jpeg_and_as_numbers() -> None:
    np.testing.assert_array_equal(read_images(write_array(IMAGES), NPY, (4, 6)), IMAGES)
    np.testing.assert_array_equal(read_images(listed([encoded(image) for image in IMAGES]), JSON, (4, 6)), IMAGES)
    np.testing.assert_array_equal(read_images(listed(IMAGES.tolist()), JSON, (4, 6)), IMAGES)
    smooth = np.full((4, 6, 3), 120, dtype=np.uint8)
    assert np.abs(read_images(listed([encoded(smooth, "JPEG")]), JSON, (4, 6)).astype(int) - 120).max() <= 2


def header(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def an_object_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", NPY),
        (b"\x93NUMPY", NPY),
        (b"\x93NUMPY\x09\x09" + bytes(99), NPY),
        (pickle.dumps(IMAGES), NPY),
        (an_object_array(), NPY),
        (header("(10000000000, 4, 6, 3)") + bytes(72), NPY),
        (header("(1, 4, 6, 3)") + bytes(71), NPY),
        (header("(1, 4, 6, 3)") + bytes(73), NPY),
        (header("(1, 4, 6, 3)", "|O") + bytes(72 * 8), NPY),
        (header("(0, 4, 6, 3)"), NPY),
        (header("(-1, 4, 6, 3)") + bytes(72), NPY),
        (header("(1L, 4L, 6L, 3L)") + bytes(72), NPY),
        (header("(1, 4, 6, 3") + bytes(72), NPY),
        (header("(1, 4, 6, 3)", "'") + bytes(72), NPY),
        (header("\n  (1, 4, 6, 3)\n )") + bytes(72), NPY),
        (header("(" * 90) + bytes(72), NPY),
        (header("-" * 5000 + "1") + bytes(72), NPY),
        (write_array(IMAGES.astype(np.float32)), NPY),
        (write_array(IMAGES[0]), NPY),
        (write_array(IMAGES.transpose(0, 3, 1, 2)), NPY),
        (b"", JSON),
        (b"[]", JSON),
        (b'{"images": 3}', JSON),
        (b'{"images": {}}', JSON),
        (b"[" * 10_000, JSON),
        (b"\xff\xfe", JSON),
        (listed([]), JSON),
        (listed([[[]]]), JSON),
        (listed([[1], [1, 2]]), JSON),
        (listed([[[[0.5] * 3] * 6] * 4]), JSON),
        (listed([[[[256] * 3] * 6] * 4]), JSON),
        (listed([[[[-1] * 3] * 6] * 4]), JSON),
        (listed([[[[True] * 3] * 6] * 4]), JSON),
        (listed([[[[10**30] * 3] * 6] * 4]), JSON),
        (listed([[[["a"] * 3] * 6] * 4]), JSON),
        (listed([None]), JSON),
        (listed([[[[1, "2", 3]] * 6] * 4]), JSON),
        (listed([*IMAGES.tolist(), "text"]), JSON),
        (listed([*IMAGES.tolist(), IMAGES[0].tolist()[:3]]), JSON),
        (listed(["" for _ in range(2**20)]), JSON),
        (b"\x93NUMPY\x02\x00" + (2**20).to_bytes(4, "little") + b" " * 2**20 + bytes(72), NPY),
        (listed(["not base64!"]), JSON),
        (listed([base64.b64encode(b"no image").decode()]), JSON),
        (listed([encoded(IMAGES[0], "BMP")]), JSON),
        (listed([encoded(IMAGES[0])[:40]]), JSON),
        (listed([encoded(IMAGES[0].swapaxes(0, 1))]), JSON),
        (listed([encoded(np.zeros((3000, 3000, 3), np.uint8))]), JSON),
        (write_array(IMAGES), "text/html"),
    ],
)
def test_what_holds_no_images_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=r"^Expected "):
        read_images(body, kind, (4, 6))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "text/html"),
        (b"<html>", JSON),
        (b"<html>", NPY),
        (b'{"vectors": [1, 2]}', JSON),
        (b'{"vectors": [["a"]]}', JSON),
        (b'{"vectors": [[1, "a"]]}', JSON),
        (b'{"vectors": [[1], "a"]}', JSON),
        (b'{"vectors": [[true]]}', JSON),
        (b'{"vectors": [[[1]]]}', JSON),
        (b'{"vectors": [[1], [1, 2]]}', JSON),
        (write_array(np.zeros(3)), NPY),
        (write_array(np.zeros((2, 2), complex)), NPY),
    ],
)
def test_what_holds_no_vectors_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=r"^Expected "):
        read_vectors(body, kind)


@pytest.mark.parametrize("key", ["images", "vectors"])
def test_a_text_among_many_takes_no_more_memory_than_its_length(key: str) -> None:
    body = json.dumps({key: [[1, *["a"] * 200, "x" * 2**20]]}).encode()  # numpy would make 200 texts of 4 MiB
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_images(body, JSON, (1, 1)) if key == "images" else read_vectors(body, JSON)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * len(body)


def test_small_files_that_expand_are_bounded_together() -> None:
    black = encoded(np.zeros((2000, 2000, 3), np.uint8))
    with pytest.raises(InputError, match="at most 67108864 bytes together, got 6 of 2000x2000 pixels"):
        read_images(listed([black] * 6), JSON, (2000, 2000))


def test_images_in_json_follow_the_rules_of_all_images() -> None:
    deep = (np.arange(24, dtype=np.uint16) * 2500).reshape(4, 6)
    np.testing.assert_array_equal(read_images(listed([encoded(deep)]), JSON, (4, 6))[0, :, :, 0], deep >> 8)
    with pytest.raises(InputError, match=r"as image 0, got values of 16 bits that use at most 12"):
        read_images(listed([encoded(deep // 16)]), JSON, (4, 6))
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(np.rot90(IMAGES[0])).save(stream, "PNG", exif=exif)
    turned = base64.b64encode(stream.getvalue()).decode()
    np.testing.assert_array_equal(read_images(listed([turned]), JSON, (4, 6))[0], IMAGES[0])
