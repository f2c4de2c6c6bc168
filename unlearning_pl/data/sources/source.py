"""What a source of images is; a new one is a file beside this one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
# Those of ImageNet, by which photographs of any set are commonly normalised.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

PROMPT = "a photo of a {}."
"""What CLIP's authors say of a class (arXiv 2103.00020, section 3.1.4)."""


class Source(ABC):
    """Where training and test images come from; a new data set is a subclass with one method.

    Attributes:
        mean: Mean of each channel of the training images in ``[0, 1]``, by which batches are normalised.
        std: Standard deviation of each channel, likewise.
        image_size: Height and width of all images where it is known before they are loaded, else None.
        templates: Sentences in which zero-shot classification names a class, ``{}`` in the place of the name.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: int | None = None
    templates: Sequence[str] = (PROMPT,)

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
