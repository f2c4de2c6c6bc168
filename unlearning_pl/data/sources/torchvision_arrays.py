"""Base class of data sets that torchvision downloads and reads into one array.

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

SPLIT_ARGUMENTS = {"train": {"split": "train"}, "test": {"split": "test"}}
"""``parts`` of the data sets whose argument is ``split``."""

T = TypeVar("T")
# Errors of torchvision and its file readers for files that are missing, truncated or of another format.
_UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, LookupError, EOFError, AssertionError, pickle.PickleError)


def read_dataset(name: str, root: str, url: str, read: Callable[[Path], T]) -> T:
    """Call ``read`` with a folder, and convert its errors to a message of one line.

    Args:
        name: Name of the data set.
        root: Folder of the files.
        url: Address for a manual download.
        read: Reads the folder, such as a class of torchvision.

    Raises:
        InputError: If the files are missing, or ``read`` cannot read them.

    Example:
        >>> from torchvision import datasets
        >>> read_dataset("CIFAR10", "no", "https://...", datasets.CIFAR10)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected the files of CIFAR10 in root='no', got: Dataset not found or ...
    """
    try:
        with warnings.catch_warnings():
            # CIFAR's published files were pickled with a numpy of 2009, about which numpy 2.4 warns.
            warnings.filterwarnings("ignore", message=".*align should be passed")
            return read(Path(root).expanduser())
    except _UNREADABLE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(
            f"Expected the files of {name} in root={root!r}, got: {reason}. "
            f"Set download to true if there is a network, or unpack {url} there."
        ) from error


def channels_first(pixels: Any) -> Tensor:
    """Convert torchvision's pixels to the layout of an :class:`ImageSet`.

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
    """Base class of data sets that torchvision reads into one array; ids are "train/0" ..., "test/0" ...

    Attributes:
        dataset: Class of torchvision.
        url: Address for a manual download.
        parts: Arguments of ``dataset`` for the training and the test part.
        targets: Attribute of ``dataset`` with the class of each image.
        class_names: Names of the classes if torchvision has none.
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
        """Load the first training and test images; downloads missing files to ``root``."""
        (first, train_targets, names), (second, test_targets, _) = self._read("train"), self._read("test")
        pixels = _share(torch.cat([first, second]))
        return (
            ImageSet(pixels[: len(first)], train_targets, [f"train/{row}" for row in range(len(first))], names),
            ImageSet(pixels[len(first) :], test_targets, [f"test/{row}" for row in range(len(second))], names),
        )

    def _read(self, part: str) -> tuple[Tensor, Tensor, list[str]]:
        kind = type(self)
        read = partial(kind.dataset, download=self.download, **kind.parts[part])
        data = read_dataset(kind.__name__, self.root, kind.url, read)
        rows = rows_to_take(f"{part}_size", getattr(self, f"{part}_size"), len(data.data))
        targets = torch.as_tensor(getattr(data, kind.targets)[:rows]).long()
        return channels_first(data.data[:rows]), targets, list(kind.class_names or data.classes)


def _share(pixels: Tensor) -> Tensor:
    """Move pixels into memory that all processes of a machine share."""
    digest = (hashlib.sha256(one).hexdigest() for one in [pixels.numpy().data])  # lazy: not computed for few pixels
    images, _ = share_pixels(digest, pixels.nbytes, lambda: (pixels.numpy(), None))
    return images
