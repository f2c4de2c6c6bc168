"""Base of the data sets that torchvision downloads and reads into one array.

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

from unlearning_pl.data.sources.source import Source, rows_to_take
from unlearning_pl.errors import InputError
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.shared_pixels import share_pixels

SPLITS = {"train": {"split": "train"}, "test": {"split": "test"}}
"""``parts`` of the sets that call them splits."""

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
        >>> from torchvision import datasets
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


class TorchvisionArrays(Source):
    """Base of the sets whose files torchvision reads into one array; ids are "train/0" ..., "test/0" ...

    Attributes:
        dataset: Class of torchvision.
        url: Where the files can be fetched by hand.
        parts: Arguments of ``dataset`` for each part.
        targets: Attribute of ``dataset`` with the class of each image.
        class_names: Where torchvision has none.
    """

    dataset: ClassVar[Callable[..., Any]]
    url: ClassVar[str]
    parts: ClassVar[Mapping[str, Mapping[str, Any]]] = {"train": {"train": True}, "test": {"train": False}}
    targets: ClassVar[str] = "targets"
    class_names: ClassVar[tuple[str, ...]] = ()

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
        pixels = _share(torch.cat([first, second]))
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


def _share(pixels: Tensor) -> Tensor:
    """The same pixels, in memory that all processes of a machine share."""
    digest = (hashlib.sha256(one).hexdigest() for one in [pixels.numpy().data])  # not asked for where they are few
    images, _ = share_pixels(digest, pixels.nbytes, lambda: (pixels.numpy(), None))
    return images
