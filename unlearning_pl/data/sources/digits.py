"""Handwritten digits that come with scikit-learn.

Letters: N images.
"""

from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from unlearning_pl.data.sources.source import Source, rows_to_take
from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet


class Digits(Source):
    """1 797 real handwritten digits that come with scikit-learn: no download, and a model trains in seconds.

    The images are shuffled with a fixed seed; the first 1 000 are the training images, the other 797 the test
    images. They are 8x8 with 17 shades of gray, resized bilinearly and repeated to three channels. The id of an
    image is its position in :func:`sklearn.datasets.load_digits`, "0" to "1796".

    Args:
        train_size: Number of the 1 000 training images to use, from the first on.
        image_size: Height and width in pixels.

    Raises:
        InputError: If ``train_size`` is not in ``[1, 1000]`` or ``image_size`` is not positive.

    Example:
        >>> train, test = Digits(train_size=400).load()
        >>> tuple(train.images.shape), len(test), train.ids[:3]
        ((400, 3, 16, 16), 797, ['360', '1773', '1482'])
    """

    pool: ClassVar[int] = 1000
    mean = (0.3050, 0.3050, 0.3050)
    std = (0.3181, 0.3181, 0.3181)

    def __init__(self, train_size: int = 1000, image_size: int = 16) -> None:
        require(
            image_size >= 1,
            f"Expected image_size >= 1, got {image_size}. Choose a size in pixels, such as 16.",
        )
        self.train_size = rows_to_take("train_size", train_size, self.pool)
        self.image_size: int = image_size

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the first ``train_size`` training digits and all 797 test digits."""
        digits = load_digits()
        order = np.random.default_rng(0).permutation(len(digits.images))
        # In float64 each product of a shade with a bilinear weight of 8 -> 16 is exact, so that all platforms
        # round to the same pixels and the fingerprint of the data is the same everywhere.
        gray = torch.from_numpy(digits.images[order]).double().unsqueeze(1) * (255 / 16)
        size = (self.image_size, self.image_size)
        resized = F.interpolate(gray, size, mode="bilinear", antialias=self.image_size < gray.shape[-1])
        images = resized.round().clamp(0, 255).to(torch.uint8).repeat(1, 3, 1, 1)
        targets = torch.from_numpy(digits.target[order]).long()
        everything = ImageSet(images, targets, [str(row) for row in order], [str(k) for k in range(10)])
        rows = torch.arange(len(everything))
        return everything.take(rows[: self.train_size]), everything.take(rows[self.pool :])
