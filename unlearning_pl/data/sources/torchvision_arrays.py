"""Image sets that are known by a name and come as arrays: torchvision finds, downloads and reads the files.

Letters: N images, H height, W width.
"""

import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from torchvision import datasets

from unlearning_pl.data.sources.source import CIFAR10_MEAN, CIFAR10_STD, Source, rows_to_take
from unlearning_pl.errors import InputError
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.shared_pixels import share_pixels

T = TypeVar("T")
# What torchvision, and what it reads files with, raise where files are absent, cut off or of another kind.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, AssertionError, pickle.PickleError)


def open_named(name: str, root: str, url: str, read: Callable[[Path], T]) -> T:
    """What ``read`` makes of a folder, with one line where its files cannot be had.

    Args:
        name: The set of images.
        root: Folder of the files.
        url: Where the files can be fetched by hand.
        read: Takes the folder, such as a class of torchvision.

    Raises:
        InputError: If the files are absent, or are not what ``read`` expects.

    Example:
        >>> open_named("CIFAR10", "no", "https://...", datasets.CIFAR10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected the files of CIFAR10 in root='no', got: Dataset not found or ...
    """
    try:
        with warnings.catch_warnings():
            # CIFAR's published files were pickled by a numpy of 2009, which numpy 2.4 warns about.
            warnings.filterwarnings("ignore", message=".*align should be passed")
            return read(Path(root).expanduser())
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"Expected the files of {name} in root={root!r}, got: {reason}. "
            f"Set download to true where there is a network, or unpack {url} there."
        ) from error


def channels_first(pixels: Any) -> Tensor:
    """Pixels as torchvision keeps them, in the layout of an :class:`ImageSet`.

    Args:
        pixels: ``(N, H, W)``, ``(N, H, W, 3)`` or ``(N, 3, H, W)`` uint8, an array or a tensor.

    Returns:
        ``(N, 3, H, W)`` uint8; shades of gray are repeated.

    Example:
        >>> [tuple(channels_first(torch.zeros(shape)).shape) for shape in ((2, 5, 4), (2, 5, 4, 3), (2, 3, 5, 4))]
        [(2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4)]
    """
    images = torch.as_tensor(pixels)
    if images.ndim == 3:
        return images.unsqueeze(1).repeat(1, 3, 1, 1)
    return (images.permute(0, 3, 1, 2) if images.shape[-1] == 3 else images).contiguous()


class _Named(Source):
    """What the sets share: torchvision's files, held whole, and ids "train/0" ..., "test/0" ..."""

    dataset: ClassVar[Callable[..., Any]]
    url: ClassVar[str]
    parts: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"train": True}, "test": {"train": False}}
    targets: ClassVar[str] = "targets"  # torchvision's name of what it knows of each image
    class_names: ClassVar[tuple[str, ...]] = ()  # where torchvision tells none

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
        (first, train_targets, names), (second, test_targets, _) = self._read("train"), self._read("test")
        pixels = _once(torch.cat([first, second]))
        return (
            ImageSet(pixels[: len(first)], train_targets, [f"train/{row}" for row in range(len(first))], names),
            ImageSet(pixels[len(first) :], test_targets, [f"test/{row}" for row in range(len(second))], names),
        )

    def _read(self, part: str) -> tuple[Tensor, Tensor, list[str]]:
        kind = type(self)
        read = partial(kind.dataset, download=self.download, **kind.parts[part])
        data = open_named(kind.__name__, self.root, kind.url, read)
        rows = rows_to_take(f"{part}_size", getattr(self, f"{part}_size"), len(data.data))
        targets = torch.as_tensor(getattr(data, kind.targets)[:rows]).long()
        return channels_first(data.data[:rows]), targets, list(kind.class_names or data.classes)


def _once(pixels: Tensor) -> Tensor:
    """The same pixels, in memory that all processes of a machine share."""
    digest = (hashlib.sha256(one).hexdigest() for one in [pixels.numpy().data])  # not asked for where they are few
    images, _ = share_pixels(digest, pixels.nbytes, lambda: (pixels.numpy(), None))
    return images


class CIFAR10(_Named):
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
    url = datasets.CIFAR10.url
    image_size = 32
    mean = CIFAR10_MEAN
    std = CIFAR10_STD


class CIFAR100(_Named):
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
    url = datasets.CIFAR100.url
    image_size = 32
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)


class FashionMNIST(_Named):
    """Fashion-MNIST: 60 000 training and 10 000 test pictures of clothes, 28x28 pixels in shades of gray, 10 classes.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", arXiv 1708.07747. Gray is repeated to three channels. Ids are "train/123" and "test/7".

    Args:
        root: Folder that holds ``FashionMNIST/raw``, or will.
        train_size: How many training images to use, the first ones; all by default.
        test_size: How many test images to use, likewise.
        download: Whether to download the files where they are absent.

    Example:
        >>> FashionMNIST(root="data").image_size
        28
    """

    dataset = datasets.FashionMNIST
    url = "https://github.com/zalandoresearch/fashion-mnist"
    image_size = 28
    mean = (0.2860, 0.2860, 0.2860)
    std = (0.3530, 0.3530, 0.3530)


_SPLITS = {"train": {"split": "train"}, "test": {"split": "test"}}


class SVHN(_Named):
    """SVHN, cropped digits: 73 257 training and 26 032 test photographs of house numbers, 32x32 pixels, 10 classes.

    Source: Netzer, Wang, Coates, Bissacco, Wu and Ng, "Reading Digits in Natural Images with Unsupervised Feature
    Learning", NIPS workshop, 2011. Class k is the digit k. Ids are "train/123" and "test/7".

    Args:
        root: Folder that holds ``train_32x32.mat`` and ``test_32x32.mat``, or will.
        train_size: How many training images to use, the first ones; all by default.
        test_size: How many test images to use, likewise.
        download: Whether to download the files where they are absent.

    Example:
        >>> SVHN(root="data").class_names[:2]
        ('0', '1')
    """

    dataset = datasets.SVHN
    url = "http://ufldl.stanford.edu/housenumbers"
    parts = _SPLITS
    targets = "labels"
    class_names = tuple("0123456789")
    image_size = 32
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)


class STL10(_Named):
    """STL-10: 5 000 training and 8 000 test photographs of 96x96 pixels in 10 classes, those with a label.

    Source: Coates, Lee and Ng, "An Analysis of Single Layer Networks in Unsupervised Feature Learning", AISTATS
    2011. Ids are "train/123" and "test/7".

    Args:
        root: Folder that holds ``stl10_binary``, or will.
        train_size: How many training images to use, the first ones; all by default.
        test_size: How many test images to use, likewise.
        download: Whether to download the files where they are absent.

    Example:
        >>> STL10(root="data").image_size
        96
    """

    dataset = datasets.STL10
    url = datasets.STL10.url
    parts = _SPLITS
    targets = "labels"
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    image_size = 96
    mean = (0.4467, 0.4398, 0.4066)
    std = (0.2603, 0.2566, 0.2713)
