"""Lets a learner read features that were computed before, instead of passing the same images through its encoder again.

Letters: B rows of a batch, V views of an image, D width of the features.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from unlearning_pl.learners import Learner
from unlearning_pl.learners.feature_memory import replaced_features


def known_features(
    learner: Learner, views: Sequence[Tensor], features: Sequence[Tensor]
) -> AbstractContextManager[None]:
    """Context manager in which ``learner.features`` returns known features of known views, and computes all others.

    A learner that embeds several views in one joint pass gets the features of all of them. Images are compared by their
    pixels, so that the result never depends on how a learner's ``outputs`` passes them.

    Args:
        learner: The learner, in evaluation mode: the features of an image do not depend on the others of its batch.
        views: V views, each ``(B, 3, H, W)``.
        features: Features of the first of them, each ``(B, D)``.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> learner, views = SimCLR("resnet9_slim").eval(), torch.rand(2, 4, 3, 32, 32)
        >>> with known_features(learner, views, torch.ones(2, 4, 1)):
        ...     [tuple(learner.features(images).shape) for images in (views[1], torch.cat([*views]), views[0] / 2)]
        [(4, 1), (8, 1), (4, 128)]
    """
    compute = learner.features

    def features_of(x: Tensor) -> Tensor:
        parts = [_find(part, views, features) for part in (torch.split(x, len(views[0])) if len(views[0]) else ())]
        known = [part for part in parts if part is not None]
        return torch.cat(known) if parts and len(known) == len(parts) else compute(x)

    return replaced_features(learner, features_of)


def _find(images: Tensor, views: Sequence[Tensor], features: Sequence[Tensor]) -> Tensor | None:
    return next((known for view, known in zip(views, features, strict=False) if torch.equal(view, images)), None)
