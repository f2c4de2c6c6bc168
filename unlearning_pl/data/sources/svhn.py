"""Street View House Numbers."""

from torchvision import datasets

from unlearning_pl.data.sources.torchvision_arrays import SPLIT_ARGUMENTS, TorchvisionArrays


class SVHN(TorchvisionArrays):
    """SVHN, cropped digits: 73 257 training and 26 032 test photographs of house numbers, 32x32 pixels, 10 classes.

    Source: Netzer, Wang, Coates, Bissacco, Wu and Ng, "Reading Digits in Natural Images with Unsupervised Feature
    Learning", NIPS workshop, 2011. Class k is the digit k. Ids are "train/123" and "test/7".

    Args:
        root: Folder that contains ``train_32x32.mat`` and ``test_32x32.mat``, or to download to.
        train_size: Number of training images to use, from the first on; all by default.
        test_size: Number of test images to use, in the same way.
        download: Whether to download missing files.

    Example:
        >>> SVHN(root="data").class_names[:2]
        ('0', '1')
    """

    dataset = datasets.SVHN
    url = "http://ufldl.stanford.edu/housenumbers"
    parts = SPLIT_ARGUMENTS
    targets = "labels"
    class_names = tuple("0123456789")
    image_size = 32
    mean = (0.4377, 0.4438, 0.4728)
    std = (0.1980, 0.2010, 0.1970)
