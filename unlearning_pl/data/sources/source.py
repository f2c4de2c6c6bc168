"""Base class of image sources; a new source is a file beside this one."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2470, 0.2435, 0.2616)
# ImageNet's statistics, which commonly normalise photographs of any data set.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

DEFAULT_PROMPT = "a photo of a {}."
"""Prompt of CLIP's authors for a class (arXiv 2103.00020, section 3.1.4)."""


class Source(ABC):
    """Source of training and test images; a new data set is a subclass that implements ``load``.

    Attributes:
        mean: Mean of each channel of the training images in ``[0, 1]``, for the normalisation of batches.
        std: Standard deviation of each channel, for the same purpose.
        image_size: Height and width of all images, or how they are resized, if it is known before they are loaded, else
            None.
        templates: Prompts of zero-shot classification, with ``{}`` in the place of the class name.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    image_size: ImageSize | None = None
    templates: Sequence[str] = (DEFAULT_PROMPT,)

    @abstractmethod
    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the training and the test images; the same images in the same order on every call."""


def rows_to_take(field: str, requested: int | None, available: int) -> int:
    """Number of the ``available`` images to use: ``requested``, or all.

    Raises:
        InputError: If ``requested`` is less than one or more than ``available``.

    Example:
        >>> rows_to_take("train_size", None, 10), rows_to_take("train_size", 3, 10)
        (10, 3)
    """
    require(
        requested is None or 1 <= requested <= available,
        f"Expected {field} from 1 to {available}, the images that there are, got {requested}. "
        f"Choose one in that range, or leave {field} out to use all.",
    )
    return available if requested is None else requested
