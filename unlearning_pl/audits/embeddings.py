"""What an audit reads and what it finds.

Letters: N images of a split, V views of each, D dimensions of the encoder output, E of the projection, K
    classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.types import Split


@dataclass(frozen=True)
class Embeddings:
    """What one model says of one split, on the CPU in float32, one row an image.

    P = V (V - 1) / 2 is the number of pairs of views.

    Attributes:
        index: Positions in the data module's pool, ``(N,)`` int64.
        target: Class of each image, ``(N,)`` int64; -1 where the data have no classes.
        features: Encoder output of the clean image, ``(N, D)``.
        similarities: Cosine similarities of the encoder outputs of V augmented views, each pair, ``(N, P)``, see
            :func:`unlearning_pl.functional.threshold_attack.pair_similarities`.
        anchor: Projection of the first view, ``(N, E)``; a classifier's features.
        positive: Projection of the second view by the online encoder, ``(N, E)``; of an image-text model the anchor is
            the clean image, and the positive its first caption.
        logits: Class scores of the clean image, ``(N, K)``; None where the model has no classes.
        losses: Training loss of each image, ``(N,)``; None where it is not known.
        captions: Embeddings of the captions of each image, ``(N, C, E)``, NaN where there are fewer than C; None for a
            model that reads no text.
        text: Tokens of the first caption of each image, ``(N, L)``; None likewise.
        zero_shot: Similarity of each image to the descriptions of the classes, ``(N, K)``; None likewise, or where the
            classes have no names.
    """

    index: Tensor
    target: Tensor
    features: Tensor
    similarities: Tensor
    anchor: Tensor
    positive: Tensor
    logits: Tensor | None = None
    losses: Tensor | None = None
    captions: Tensor | None = None
    text: Tensor | None = None
    zero_shot: Tensor | None = None

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
        metrics: Value by key, see :data:`unlearning_pl.report.metric_terms.TERMS`; a quantity that is not defined
            (no test images, say) is absent.
        scores: Membership score of each image of a split, ``(N,)``, in the order of its embeddings: similarity of its
            views, or of image and captions where the model reads text.
        alignment: Alignment matrix, ``(M, M)``, of the first forget images, at most 200; ``(0, 0)`` without
            any.
        steps: Of a model that was made to forget in several runs, each step's own share: ``count``, its images, and
            :data:`unlearning_pl.audits.steps.SHARED` of them, oldest first. Empty where one run forgot everything.
        intervals: 95 % bootstrap confidence interval by the key of a metric, where one is known.
        losses: Training loss of each image of a split, ``(N,)``, where known.
        probabilities: Probability of the true class of each image of a split, ``(N,)``, by the model itself or by a
            linear probe.
        class_accuracy: Percent of the images of each class of a split that are named correctly, ``(K,)``; NaN for a
            class without images.
        map: A picture of the embedding space by t-SNE: some images of each split, ``(n, 3)``, two coordinates and
            the class; empty where it was not drawn.
    """

    name: str
    metrics: dict[str, float]
    scores: dict[Split, Tensor]
    alignment: Tensor
    steps: tuple[dict[str, float], ...] = ()
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    losses: dict[Split, Tensor] = field(default_factory=dict)
    probabilities: dict[Split, Tensor] = field(default_factory=dict)
    class_accuracy: dict[Split, Tensor] = field(default_factory=dict)
    map: dict[Split, Tensor] = field(default_factory=dict)


def filled(splits: BySplit) -> dict[Split, Embeddings]:
    """Leave out the splits without any image.

    Example:
        >>> filled({})
        {}
    """
    return {split: embeddings for split, embeddings in splits.items() if len(embeddings.features)}


def labelled(splits: BySplit) -> dict[Split, Embeddings]:
    """Leave out the splits without any image, or with images of which no class is known.

    Example:
        >>> labelled({})
        {}
    """
    return {split: look for split, look in filled(splits).items() if (look.target >= 0).all()}


def require_finite(name: str, splits: BySplit) -> None:
    """Refuse to judge a model that answers NaN or infinity.

    Raises:
        InputError: Some embedding of some split is not finite.

    Example:
        >>> require_finite("original", {})
    """
    for split, embeddings in splits.items():
        for look in ("features", "similarities", "anchor", "positive", "logits", "losses", "zero_shot"):
            values: Tensor | None = getattr(embeddings, look)
            require(
                values is None or bool(values.isfinite().all()),
                f"Expected finite embeddings, got NaN or infinity in the {look} of the {split} images: "
                f"the model's embeddings are not finite ({name}). Take an earlier checkpoint.",
            )
