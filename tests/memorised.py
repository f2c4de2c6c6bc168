"""Noise with random labels, which a model can only memorise: whatever it knows of an image, it saw it."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_pl.data import ForgetRequest, ImageSet, JitterViews, Source, UnlearningData
from unlearning_pl.learners import Classifier

CLASSES, SIZE = 4, 8


class Noise(Source):
    """48 training images and 40 test images of random pixels and random classes."""

    mean, std = (0.5, 0.5, 0.5), (0.3, 0.3, 0.3)

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)
        return self._images("train", 48, generator), self._images("test", 40, generator)

    def _images(self, name: str, count: int, generator: torch.Generator) -> ImageSet:
        pixels = torch.randint(256, (count, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
        targets = torch.randint(CLASSES, (count,), generator=generator)
        ids = [f"{name}/{row}" for row in range(count)]
        return ImageSet(pixels, targets, ids, [f"class {number}" for number in range(CLASSES)])


def noise_data() -> UnlearningData:
    """16 of the training images are to be forgotten; views are the images themselves."""
    still = JitterViews(degrees=0.0, translate=0.0, scale=0.0, noise=0.0)
    return UnlearningData(Noise(), views=still, forget=ForgetRequest(count=16), batch_size=8)


def images_of(data: UnlearningData, split: str) -> tuple[Tensor, Tensor]:
    """Normalised images ``(N, 3, H, W)`` and their classes."""
    data.load()
    images, target = data.pool.rows_at(data.positions(split))
    return data.pool.normalise(images), target


def linear_model() -> Classifier:
    """Scores that are linear in the pixels."""
    model = Classifier("resnet9_slim", CLASSES)
    model.backbone, model.feature_dim = nn.Flatten(), 3 * SIZE * SIZE
    model.head = nn.Linear(model.feature_dim, CLASSES)
    nn.init.zeros_(model.head.weight)
    nn.init.zeros_(model.head.bias)
    return model


def memorising(data: UnlearningData, split: str) -> Classifier:
    """A linear model that has the images of a split by heart."""
    model, (images, target) = linear_model(), images_of(data, split)
    optimizer = torch.optim.SGD(model.head.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        F.cross_entropy(model.class_scores(images), target).backward()
        optimizer.step()
    model.zero_grad()
    return model
