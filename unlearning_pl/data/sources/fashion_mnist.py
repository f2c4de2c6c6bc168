"""Fashion-MNIST."""

from torchvision import datasets

from unlearning_pl.data.sources.torchvision_arrays import TorchvisionArrays


class FashionMNIST(TorchvisionArrays):
    """Fashion-MNIST: 60 000 training and 10 000 test pictures of clothes, 28x28 pixels in shades of gray, 10 classes.

    Source: Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", arXiv 1708.07747. Gray is repeated to three channels. Ids are "train/123" and "test/7".

    Args:
        root: Folder that contains ``FashionMNIST/raw``, or to download to.
        train_size: Number of training images to use, from the first on; all by default.
        test_size: Number of test images to use, in the same way.
        download: Whether to download missing files.

    Example:
        >>> FashionMNIST(root="data").image_size
        28
    """

    dataset = datasets.FashionMNIST
    url = "https://github.com/zalandoresearch/fashion-mnist"
    image_size = 28
    mean = (0.2860, 0.2860, 0.2860)
    std = (0.3530, 0.3530, 0.3530)
