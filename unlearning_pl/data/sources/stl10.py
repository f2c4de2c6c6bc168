"""STL-10."""

from torchvision import datasets

from unlearning_pl.data.sources.torchvision_arrays import SPLITS, TorchvisionArrays


class STL10(TorchvisionArrays):
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
    parts = SPLITS
    targets = "labels"
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    image_size = 96
    mean = (0.4467, 0.4398, 0.4066)
    std = (0.2603, 0.2566, 0.2713)
