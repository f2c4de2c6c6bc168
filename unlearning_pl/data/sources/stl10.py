"""STL-10."""

from torchvision import datasets

from unlearning_pl.data.sources.torchvision_arrays import SPLIT_ARGUMENTS, TorchvisionArrays


class STL10(TorchvisionArrays):
    """STL-10: 5 000 training and 8 000 test photographs of 96x96 pixels in 10 classes, those with a label.

    Source: Coates, Lee and Ng, "An Analysis of Single Layer Networks in Unsupervised Feature Learning", AISTATS
    2011. Ids are "train/123" and "test/7".

    Args:
        root: Folder that contains ``stl10_binary``, or to download to.
        train_size: Number of training images to use, from the first on; all by default.
        test_size: Number of test images to use, in the same way.
        download: Whether to download missing files.

    Example:
        >>> STL10(root="data").image_size
        96
    """

    dataset = datasets.STL10
    url = datasets.STL10.url
    parts = SPLIT_ARGUMENTS
    targets = "labels"
    class_names = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
    image_size = 96
    mean = (0.4467, 0.4398, 0.4066)
    std = (0.2603, 0.2566, 0.2713)
