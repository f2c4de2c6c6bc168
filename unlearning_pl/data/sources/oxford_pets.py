"""Oxford-IIIT Pets."""

from pathlib import Path

from torchvision import datasets

from unlearning_pl.data.sources.photograph_files import Files, PhotographFiles
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD
from unlearning_pl.data.sources.torchvision_arrays import read_dataset
from unlearning_pl.images.decoding import OnError


class OxfordPets(PhotographFiles):
    """Oxford-IIIT Pets: 3 680 training and 3 669 test photographs of 37 breeds of cats and dogs, of many sizes.

    Source: Parkhi, Vedaldi, Zisserman and Jawahar, "Cats and Dogs", CVPR 2012. Training images are those of
    ``trainval.txt``. The largest centred square of each image is resized. Ids are "train/Abyssinian_100.jpg" and
    "test/Abyssinian_201.jpg". Channel statistics are ImageNet's.

    Args:
        root: Folder that contains ``oxford-iiit-pet``, or to download to.
        train_size: Number of training images to use, taken from the classes in turn; all by default.
        test_size: Number of test images to use, in the same way.
        image_size: Height and width to resize to.
        download: Whether to download the files (774 MiB) if they are missing.
        on_error: ``raise`` an error that names the corrupt images, or ``skip`` them with a warning.

    Example:
        >>> OxfordPets(root="data", image_size=96).image_size
        96
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        root: str = "data",
        train_size: int | None = None,
        test_size: int | None = None,
        image_size: int = 224,
        download: bool = True,
        on_error: OnError = "raise",
    ) -> None:
        super().__init__(root, train_size, test_size, image_size, download, on_error)

    def _list_files(self) -> tuple[Files, Files, list[str]]:
        def read(root: Path) -> tuple[Files, Files, list[str]]:
            train, test = (datasets.OxfordIIITPet(root, part, download=self.download) for part in ("trainval", "test"))
            first, second = (list(zip(part._images, part._labels, strict=True)) for part in (train, test))
            return first, second, list(train.classes)

        return read_dataset("OxfordPets", self.root, "https://www.robots.ox.ac.uk/~vgg/data/pets", read)
