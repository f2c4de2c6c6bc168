"""CIFAR-10 and CIFAR-100."""

from torchvision import datasets

from unlearning_pl.data.sources.source import CIFAR10_MEAN, CIFAR10_STD
from unlearning_pl.data.sources.torchvision_arrays import TorchvisionArrays


class CIFAR10(TorchvisionArrays):
    """CIFAR-10: 50 000 training and 10 000 test photographs of 32x32 pixels in 10 classes.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The id of an image is
    "train/123" or "test/7", its position in torchvision's data set.

    Args:
        root: Folder that contains ``cifar-10-batches-py``, or to download to.
        train_size: Number of training images to use, from the first on; all by default.
        test_size: Number of test images to use, in the same way.
        download: Whether to download missing files.

    Example:
        >>> CIFAR10(root="data", train_size=5000).mean
        (0.4914, 0.4822, 0.4465)
    """

    dataset = datasets.CIFAR10
    url = datasets.CIFAR10.url
    image_size = 32
    mean = CIFAR10_MEAN
    std = CIFAR10_STD


class CIFAR100(TorchvisionArrays):
    """CIFAR-100: 50 000 training and 10 000 test photographs of 32x32 pixels in 100 classes.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. The id of an image is
    "train/123" or "test/7", its position in torchvision's data set; the classes are the fine ones.

    Args:
        root: Folder that contains ``cifar-100-python``, or to download to.
        train_size: Number of training images to use, from the first on; all by default.
        test_size: Number of test images to use, in the same way.
        download: Whether to download missing files.

    Example:
        >>> CIFAR100(root="data", download=False).mean
        (0.5071, 0.4865, 0.4409)
    """

    dataset = datasets.CIFAR100
    url = datasets.CIFAR100.url
    image_size = 32
    mean = (0.5071, 0.4865, 0.4409)
    std = (0.2673, 0.2564, 0.2762)
