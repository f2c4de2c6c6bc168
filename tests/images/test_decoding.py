import io
import os
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import GOOD, bomb, encoded, pixels, truncated, write
from PIL import Image

from unlearning_pl.errors import InputError
from unlearning_pl.images import decoding
from unlearning_pl.images import encoded_images as encoded_images
from unlearning_pl.images.decode_image import CorruptImageError, read_encoded
from unlearning_pl.images.decoding import Reference, decode, load_images
from unlearning_pl.images.encoded_images import EncodedImages

BROKEN = {
    "empty": (b"", "it is empty"),
    "text": (b"not an image", "no image format that Pillow knows"),
    "truncated": (truncated(), "truncated"),
    "bomb": (bomb(), "exceeds limit"),
    "half a header": (encoded(pixels())[:20], "Truncated|Pillow knows|EOF|broken"),
}


def channels_first(image: Any) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


@pytest.mark.parametrize("kind", GOOD)
def test_every_format_is_decoded_as_pillow_does(kind: str) -> None:
    data = encoded(pixels(9, 7), kind)
    np.testing.assert_array_equal(decode(data), channels_first(Image.open(io.BytesIO(data)).convert("RGB")))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_the_largest_centred_square_is_resized(height: int, width: int, size: int) -> None:
    side = min(height, width)
    top, left = (height - side) / 2, (width - side) / 2
    image = pixels(height, width, seed=height)
    square = (left, top, left + side, top + side)
    expected = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR, box=square)
    np.testing.assert_array_equal(decode(encoded(image), size), channels_first(expected))


def test_turned_photographs_are_put_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    image = pixels(4, 6)
    np.testing.assert_array_equal(decode(encoded(image, exif=exif)), channels_first(np.rot90(image, -1)))


def test_every_mode_becomes_rgb() -> None:
    image = Image.fromarray(pixels(8, 8))
    gray = np.asarray(image.convert("L"))
    np.testing.assert_array_equal(decode(encoded(image.convert("L"))), np.stack([gray] * 3))
    np.testing.assert_array_equal(decode(encoded(image.convert("RGBA"))), channels_first(image))
    palette = image.convert("P")
    transparent = encoded(palette, transparency=bytes(range(256)))
    np.testing.assert_array_equal(decode(transparent), channels_first(palette.convert("RGB")))
    one = image.convert("1")
    np.testing.assert_array_equal(decode(encoded(one)), channels_first(one.convert("RGB")))
    cmyk = encoded(image.convert("CMYK"), "tiff")
    np.testing.assert_array_equal(decode(cmyk), channels_first(image.convert("CMYK").convert("RGB")))


def test_sixteen_bits_of_gray_become_the_upper_eight() -> None:
    shades = (np.arange(64, dtype=np.uint16) * 1000).reshape(8, 8)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(shades)))[0], shades >> 8)


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.fromarray(pixels(seed=seed)).convert("P") for seed in (0, 1)]
    data = encoded(frames[0], "gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(data), channels_first(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_says_why(case: str) -> None:
    data, reason = BROKEN[case]
    with pytest.raises(CorruptImageError, match=reason):
        decode(data)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GOOD), st.data())
def test_a_cut_file_is_decoded_whole_or_refused(kind: str, draw: st.DataObject) -> None:
    data = encoded(pixels(16, 16), kind)
    cut = data[: draw.draw(st.integers(0, len(data) - 1))]
    try:
        image = decode(cut)
    except CorruptImageError:
        return
    np.testing.assert_array_equal(image, decode(data))


def test_bytes_are_read_at_their_place(tmp_path: Path) -> None:
    file = write(tmp_path / "a", b"0123456789")
    assert read_encoded(Reference(str(file), 3, 4)) == b"3456"
    assert read_encoded(Reference(str(file), 3)) == b"3456789"
    assert read_encoded(Reference(str(file), 3, 4), most=2) == b"34"
    with pytest.raises(CorruptImageError, match="ends after 2 of 4"):
        read_encoded(Reference(str(file), 8, 4))
    with pytest.raises(CorruptImageError, match="No such file"):
        read_encoded(Reference(str(tmp_path / "b")))


def images_in(folder: Path, count: int = 6, size: int = 8) -> tuple[list[Reference], list[str]]:
    files = [write(folder / f"{row}.png", encoded(pixels(size, size, row))) for row in range(count)]
    return [Reference(str(file)) for file in files], [file.name for file in files]


@pytest.mark.parametrize("storage", ["memory", "stream"])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_held_and_streamed_images_are_the_same(storage: Any, on_error: Any, tmp_path: Path) -> None:
    references, names = images_in(tmp_path, size=9)
    images, kept = load_images([*references, encoded(pixels(seed=9))], [*names, "bytes"], 4, on_error, storage)
    assert kept == list(range(7))
    assert isinstance(images, EncodedImages) == (storage == "stream")
    assert tuple(images.shape) == (7, 3, 4, 4)
    rows = torch.tensor([6, 0, 3, 3])
    found = images.read(rows) if isinstance(images, EncodedImages) else images[rows]
    for row, image in zip(rows.tolist(), found, strict=True):
        np.testing.assert_array_equal(image.numpy(), decode(encoded(pixels(9, 9, row)), 4) if row < 6 else
                                      decode(encoded(pixels(seed=9)), 4))  # fmt: skip


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_corrupt_images_are_refused_together(storage: Any, tmp_path: Path) -> None:
    good, names = images_in(tmp_path)
    bad = [b"", b"text", Reference(str(tmp_path / "absent")), b"", b"", b""]
    with pytest.raises(InputError) as caught:
        load_images([*good, *bad], [*names, *"abcdef"], 8, "raise", storage)
    message = str(caught.value)
    assert "got 6 of 12 that it does not: a (it is empty), b (no image format that Pillow knows), c (No such" in message
    assert "and 1 others. Repair or remove them, or leave them out with on_error: skip." in message
    assert "\n" not in message


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_corrupt_images_are_skipped_with_a_warning(storage: Any, tmp_path: Path) -> None:
    good, _ = images_in(tmp_path)
    encoded_images = [truncated(), good[0], good[1], b"", good[2], bomb()]
    with pytest.warns(UserWarning, match=r"3 of 6 images are corrupt and left out: a \(.*truncated.*\), d \(it"):
        images, kept = load_images(encoded_images, list("abcdef"), 8, "skip", storage)
    assert kept == [1, 2, 4]
    found = images.read(torch.arange(3)) if isinstance(images, EncodedImages) else images
    for row, image in enumerate(found):
        np.testing.assert_array_equal(image.numpy(), channels_first(pixels(seed=row)))


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_nothing_but_corrupt_images_is_refused_even_when_they_may_be_skipped(storage: Any) -> None:
    with pytest.raises(InputError, match=r"got 2 of 2 that it does not.*Repair them, or give other files"):
        load_images([b"", b"x"], ["a", "b"], 8, "skip", storage)


def test_a_stream_that_meets_a_corrupt_image_names_it() -> None:
    images, _ = load_images([encoded(pixels()), truncated()], ["a", "b"], 8, "raise", "stream")
    assert isinstance(images, EncodedImages)
    with pytest.raises(InputError, match=r"got b \(.*truncated.*\)\. Repair it"):
        images.read(torch.tensor([0, 1]))


def test_sizes_that_differ_need_an_image_size() -> None:
    images = [b"broken", encoded(pixels(8, 8)), encoded(pixels(8, 9)), encoded(pixels(7, 7))]
    with (
        pytest.raises(InputError, match=r"one size, 8x8 as in b, got 9x8 in c\. Set image_size"),
    ):
        load_images(images, list("abcd"), None, "skip")
    assert load_images(images[1:2] * 2, ["a", "b"], None)[0].shape == (2, 3, 8, 8)


def test_streams_need_an_image_size() -> None:
    with pytest.raises(InputError, match="Expected image_size with images that are streamed"):
        load_images([encoded(pixels())], ["a"], None, storage="stream")


@pytest.mark.parametrize(("memory", "streamed"), [(4 * 192 * 2, False), (4 * 192 * 2 - 4, True)])
def test_a_quarter_of_the_memory_is_held(memory: int, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "total_memory", lambda: memory)
    images, _ = load_images([encoded(pixels())] * 2, ["a", "b"], 8)
    assert isinstance(images, EncodedImages) == streamed


def test_streamed_images_are_taken_sliced_and_copied(tmp_path: Path) -> None:
    references, names = images_in(tmp_path)
    images = EncodedImages([*references, encoded(pixels(seed=9))], [*names, "bytes"], 8)
    everything = images.read(torch.arange(7))
    taken = images[torch.tensor([6, 2, 2])]
    assert torch.equal(taken.read(torch.arange(3)), everything[[6, 2, 2]])
    assert torch.equal(images[2:5].take([1]).read(torch.tensor([0])), everything[[3]])
    assert torch.equal(pickle.loads(pickle.dumps(taken)).read(torch.tensor([1])), everything[[2]])


def test_the_digest_notices_another_size_order_or_choice() -> None:
    data = [encoded(pixels()), encoded(pixels(9, 9)), encoded(pixels(10, 10))]
    images = EncodedImages(data, list("abc"), 8)
    others = [EncodedImages(data, list("abc"), 9), images[torch.tensor([1, 0, 2])], images[:2]]
    assert images.digest == EncodedImages(data, list("xyz"), 8).digest
    assert images.digest not in [other.digest for other in others]


def test_a_million_places_stay_small() -> None:
    references = [Reference("shard.tar", row, 1) for row in range(100_000)]
    names = [f"train/{row:08}" for row in range(100_000)]
    assert len(pickle.dumps(EncodedImages(references, names, 8))) < 100_000 * 64


def test_a_worker_decodes_in_its_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_images, "available_cores", lambda: 4)
    for worker, own in ((None, False), (object(), True)):
        monkeypatch.setattr(encoded_images, "get_worker_info", lambda worker=worker: worker)
        threads: set[int] = set()
        encoded_images.map_threads(lambda _, threads=threads: threads.add(threading.get_ident()), 100)
        assert (threads == {threading.get_ident()}) is own


def test_a_file_without_rights_is_corrupt(tmp_path: Path) -> None:
    file = write(tmp_path / "a.png", encoded(pixels()))
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match="Permission denied"):
        load_images([Reference(str(file))], ["a"], 8)
