"""Small sets of images, made without the sources under test."""

import pytest
import torch

from unlearning_pl.data import ImageSet

NAMES = ["airplane", "cat", "dog", "ship"]


def image_set(n: int, prefix: str, seed: int = 0) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, 4, 4), dtype=torch.uint8, generator=generator)
    return ImageSet(images, torch.arange(n) % len(NAMES), [f"{prefix}/{row}" for row in range(n)], NAMES)


@pytest.fixture
def train() -> ImageSet:
    return image_set(40, "train")


@pytest.fixture
def test() -> ImageSet:
    return image_set(12, "test", seed=1)
