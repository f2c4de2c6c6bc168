"""Resizing equals torchvision's and timm's evaluation transforms, pixel by pixel."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from unlearning_pl.errors import InputError
from unlearning_pl.images.decode_image import decode
from unlearning_pl.images.decoding import load_images
from unlearning_pl.images.resizing import Resize


def photograph(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize("shape", [(50, 37), (37, 50), (33, 33), (224, 31), (20, 21)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("size", "shorter_side"), [(32, 36), (31, 36), (24, None)])
def test_resize_equals_torchvision(
    shape: tuple[int, int], interpolation: str, size: int, shorter_side: int | None
) -> None:
    image = photograph(*shape)
    mode = v2.InterpolationMode(interpolation)
    transform = v2.Compose([v2.Resize(shorter_side or size, interpolation=mode), v2.CenterCrop(size)])
    ours = Resize(size, shorter_side, interpolation)(image)  # type: ignore[arg-type]
    assert torch.equal(pil_to_tensor(ours), pil_to_tensor(transform(image)))


@pytest.mark.parametrize("shape", [(50, 37), (20, 21)])
def test_a_squashed_image_equals_that_of_torchvision(shape: tuple[int, int]) -> None:
    image = photograph(*shape)
    transform = v2.Compose([v2.Resize((36, 36), interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(32)])
    resize = Resize(32, 36, "bicubic", squash=True)
    assert str(resize) == "both sides 36, bicubic, centre 32"
    assert torch.equal(pil_to_tensor(resize(image)), pil_to_tensor(transform(image)))


def test_decoded_images_have_the_size() -> None:
    file = io.BytesIO()
    photograph(50, 37).save(file, "png")
    resize = Resize(24, 30, "bicubic")
    assert np.array_equal(decode(file.getvalue(), resize), np.asarray(resize(photograph(50, 37))).transpose(2, 0, 1))
    for storage in ("memory", "stream"):
        images, kept = load_images([file.getvalue()] * 2, ["a", "b"], resize, storage=storage)  # type: ignore[arg-type]
        assert tuple(images.shape) == (2, 3, 24, 24)
        assert kept == [0, 1]


def test_streamed_images_of_another_transform_have_another_digest() -> None:
    file = io.BytesIO()
    photograph(50, 37).save(file, "png")
    digests = set()
    for image_size in (24, Resize(24), Resize(24, 30), Resize(24, 30, "bicubic"), Resize(24, squash=True)):
        images, _ = load_images([file.getvalue()], ["a"], image_size, storage="stream")
        digests.add(images.digest)  # type: ignore[union-attr]
    assert len(digests) == 5


@pytest.mark.parametrize("lengths", [(0, None), (32, 31)])
def test_lengths_out_of_range(lengths: tuple[int, int | None]) -> None:
    with pytest.raises(InputError, match="image_size"):
        Resize(*lengths)
