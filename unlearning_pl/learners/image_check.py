"""Check that an encoder accepts the images of a run.

Letters: B images, H height, W width.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unlearning_pl.errors import InputError

if TYPE_CHECKING:
    from unlearning_pl.learners.learner import Learner


def check_images(learner: "Learner", images: Tensor) -> None:
    """Embed a few images in evaluation mode.

    Args:
        learner: The learner; it keeps its mode.
        images: ``(B, 3, H, W)``.

    Raises:
        InputError: If the encoder cannot take images of this size.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> check_images(SimCLR("resnet9_slim"), torch.zeros(2, 3, 8, 8))
    """
    training = learner.training
    try:
        with torch.no_grad():
            learner.eval().embed(images.to(learner.device))
    except (RuntimeError, ValueError, AssertionError, IndexError) as error:
        size = "x".join(map(str, images.shape[2:]))
        raise InputError(
            f"Expected images that the backbone can take, got {size} pixels ({str(error).splitlines()[0]}). "
            "Choose another image_size or backbone."
        ) from error
    finally:
        learner.train(training)
