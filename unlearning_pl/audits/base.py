"""What an audit reads and what it finds.

Letters: N images of a split, V views of each, D dimensions of the encoder output, E of the projection, K
    classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.sample import Split


@dataclass(frozen=True)
class Embeddings:
    """What one model says of one split, on the CPU in float32, one row an image.

    Attributes:
        index: Positions in the data module's pool, ``(N,)`` int64.
        target: Class of each image, ``(N,)`` int64.
        features: Encoder output of the clean image, ``(N, D)``.
        views: Encoder output of V augmented views, ``(N, V, D)``.
        anchor: Projection of the first view, ``(N, E)``; a classifier's features.
        positive: Projection of the second view by the online encoder, ``(N, E)``.
        logits: Class scores of the clean image, ``(N, K)``; None where the learner has no classes.
    """

    index: Tensor
    target: Tensor
    features: Tensor
    views: Tensor
    anchor: Tensor
    positive: Tensor
    logits: Tensor | None

    def take(self, rows: Tensor) -> "Embeddings":
        """Some of the images, by a mask ``(N,)`` or by row numbers."""
        taken: dict[str, Any] = {name: None if look is None else look[rows] for name, look in vars(self).items()}
        return Embeddings(**taken)


ORIGINAL = "original"
"""Name of the audit of the model before unlearning."""
RETRAINED = "retrained"
"""Name of the audit of the reference, trained from scratch without the forget images."""

BySplit: TypeAlias = Mapping[Split, Embeddings]
"""What one model says of each split."""


@dataclass(frozen=True)
class Audit:
    """Everything measured on one model.

    Attributes:
        name: "original", "retrained" or the run's name.
        metrics: Value by key, see :data:`unlearning_pl.audits.terms.TERMS`; a quantity that is not defined
            (no test images, say) is absent.
        scores: Membership score of each image of a split, ``(N,)``, in the order of its embeddings.
        alignment: Alignment matrix, ``(M, M)``, of the first forget images, at most 200; ``(0, 0)`` without
            any.
        steps: Of a model that was made to forget in several runs, each step's own share: ``count``, its images, and
            :data:`unlearning_pl.audits.steps.SHARED` of them, oldest first. Empty where one run forgot everything.
    """

    name: str
    metrics: dict[str, float]
    scores: dict[Split, Tensor]
    alignment: Tensor
    steps: tuple[dict[str, float], ...] = ()


def filled(splits: BySplit) -> dict[Split, Embeddings]:
    """Leave out the splits without any image.

    Example:
        >>> filled({})
        {}
    """
    return {split: embeddings for split, embeddings in splits.items() if len(embeddings.features)}


def require_finite(name: str, splits: BySplit) -> None:
    """Refuse to judge a model that answers NaN or infinity.

    Raises:
        InputError: Some embedding of some split is not finite.

    Example:
        >>> require_finite("original", {})
    """
    for split, embeddings in splits.items():
        for field in ("features", "views", "anchor", "positive", "logits"):
            values: Tensor | None = getattr(embeddings, field)
            require(
                values is None or bool(values.isfinite().all()),
                f"Expected finite embeddings, got NaN or infinity in the {field} of the {split} images: "
                f"the model's embeddings are not finite ({name}). Take an earlier checkpoint.",
            )
