"""Named image sets, loaded whole: they fit in memory, so that a batch is an index.

Letters: N images, H height, W width.
"""

import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torchvision import datasets

from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.errors import InputError, require

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)


class Source(ABC):
    """Where training and test images come from; a new data set is a subclass with one method.

    Attributes:
        mean: Mean of each channel of the training images in ``[0, 1]``, by which batches are normalised.
        std: Standard deviation of each channel, likewise.
        image_size: Height and width of all images where it is known before they are loaded, else None.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: int | None = None

    @abstractmethod
    def load(self) -> tuple[ImageSet, ImageSet]:
        """The training images and the test images; the same ones, in the same order, on every call."""


def rows_to_take(field: str, asked: int | None, available: int) -> int:
    """How many of the ``available`` images to use: those asked for, or all.

    Raises:
        InputError: If fewer than one or more than there are is asked for.

    Example:
        >>> rows_to_take("train_size", None, 10), rows_to_take("train_size", 3, 10)
        (10, 3)
    """
    require(
        asked is None or 1 <= asked <= available,
        f"Expected {field} from 1 to {available}, the images that there are, got {asked}. "
        f"Choose one in that range, or leave {field} out to use all.",
    )
    return available if asked is None else asked


class Digits(Source):
    """1 797 real handwritten digits that come with scikit-learn: no download, a model trains in seconds.

    The images are shuffled once by a fixed seed; the first 1 000 are for training, the other 797 are the test
    set. They are 8x8 with 17 shades of gray, resized bilinearly and repeated to three channels. The id of an
    image is its position in :func:`sklearn.datasets.load_digits`, "0" to "1796".

    Args:
        train_size: How many of the 1 000 training images to use, the first ones.
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
        """The first ``train_size`` training digits and all 797 test digits."""
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


class _CIFAR(Source):
    """What CIFAR-10 and CIFAR-100 share: torchvision's files, and ids "train/0" ..., "test/0" ..."""

    dataset: ClassVar[type[datasets.CIFAR10]]
    image_size = 32

    def __init__(
        self,
        root: str = "data",
        train_size: int | None = None,
        test_size: int | None = None,
        download: bool = True,
    ) -> None:
        self.root = root
        self.train_size = train_size
        self.test_size = test_size
        self.download = download

    def load(self) -> tuple[ImageSet, ImageSet]:
        """The first training and test images; downloads the files to ``root`` where they are absent."""
        return self._read("train", self.train_size), self._read("test", self.test_size)

    def _read(self, part: str, size: int | None) -> ImageSet:
        data = self._open(part == "train")
        rows = rows_to_take(f"{part}_size", size, len(data.data))
        images = torch.from_numpy(data.data[:rows]).permute(0, 3, 1, 2).contiguous()
        targets = torch.tensor(data.targets[:rows])
        return ImageSet(images, targets, [f"{part}/{row}" for row in range(rows)], list(data.classes))

    def _open(self, train: bool) -> Any:
        kind = type(self).dataset
        try:
            with warnings.catch_warnings():
                # The published files were pickled by a numpy of 2009, which numpy 2.4 warns about.
                warnings.filterwarnings("ignore", message=".*align should be passed")
                return kind(Path(self.root).expanduser(), train=train, download=self.download)
        except (OSError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            raise InputError(
                f"Expected the files of {type(self).__name__} in root={self.root!r}, got: {reason}. "
                f"Set download to true where there is a network, or unpack {kind.url} there."
            ) from error


class CIFAR10(_CIFAR):
    """CIFAR-10: 50 000 training and 10 000 test photographs of 32x32 pixels in 10 classes.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The id of an image is
    "train/123" or "test/7", its position in torchvision's data set.

    Args:
        root: Folder that holds ``cifar-10-batches-py``, or will.
        train_size: How many training images to use, the first ones; all by default.
        test_size: How many test images to use, likewise.
        download: Whether to download the files where they are absent.

    Example:
        >>> CIFAR10(root="data", train_size=5000).mean
        (0.4914, 0.4822, 0.4465)
    """

    dataset = datasets.CIFAR10
    mean = CIFAR10_MEAN
    std = CIFAR10_STD


class CIFAR100(_CIFAR):
    """CIFAR-100: 50 000 training and 10 000 test photographs of 32x32 pixels in 100 classes.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The id of an image is
    "train/123" or "test/7", its position in torchvision's data set; the classes are the fine ones.

    Args:
        root: Folder that holds ``cifar-100-python``, or will.
        train_size: How many training images to use, the first ones; all by default.
        test_size: How many test images to use, likewise.
        download: Whether to download the files where they are absent.

    Example:
        >>> CIFAR100(root="data", download=False).mean
        (0.5071, 0.4865, 0.4409)
    """

    dataset = datasets.CIFAR100
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
