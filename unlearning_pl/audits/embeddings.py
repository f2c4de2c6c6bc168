"""The input and the result of an audit: embeddings and metrics.

Letters: N images of a split, V views of each, D dimensions of the encoder output, E of the projection, K
    classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.audits.verdict import Evidence, Verdict
from unlearning_pl.errors import require
from unlearning_pl.types import Split


@dataclass(frozen=True)
class Embeddings:
    """Embeddings and other outputs of one model on one split, on the CPU in float32, one row per image.

    P = V (V - 1) / 2 is the number of pairs of views.

    Attributes:
        index: Positions in the data module's pool, ``(N,)`` int64.
        target: Class of each image, ``(N,)`` int64; -1 if the data have no classes.
        features: Encoder output of the clean image, without augmentation, ``(N, D)``.
        similarities: Cosine similarities of the encoder outputs of all pairs of V augmented views, ``(N, P)``, see
            :func:`unlearning_pl.functional.threshold_attack.pair_similarities`.
        anchor: Projection of the first view, ``(N, E)``; a classifier's features.
        positive: Projection of the second view by the online encoder, ``(N, E)``. For an image-text model the anchor is
            the projection of the clean image, and the positive the embedding of its first caption.
        logits: Class scores of the clean image, ``(N, K)``; None for a model without classes.
        losses: Training loss of each image, ``(N,)``; None if unknown.
        captions: Embeddings of the captions of each image, ``(N, C, E)``, NaN for an image with fewer than C; None for
            a model that reads no text.
        text: Tokens of the first caption of each image, ``(N, L)``; None for a model that reads no text.
        zero_shot: Cosine similarity of each image to the class descriptions, ``(N, K)``; None for a model that reads no
            text, or if the classes have no names.
        probe_views: Encoder output of augmented views of retain images, ``(N, A, D)`` bfloat16, which MUC's linear
            probe is trained on; None in other splits, and if the probe is a logistic regression on ``features``.
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
    probe_views: Tensor | None = None

    def take(self, rows: Tensor) -> "Embeddings":
        """Select images by a mask ``(N,)`` or by row numbers."""
        taken: dict[str, Any] = {name: None if value is None else value[rows] for name, value in vars(self).items()}
        return Embeddings(**taken)


ORIGINAL = "original"
"""Name of the audit of the model before unlearning."""
RETRAINED = "retrained"
"""Name of the audit of the reference, trained from scratch without the forget images."""


def is_retrained(name: str) -> bool:
    """Whether a name is that of a retrained model: ``retrained``, or ``retrained_2`` and so on.

    Example:
        >>> is_retrained("retrained_2"), is_retrained("retrained_later")
        (True, False)
    """
    kind, _, number = name.partition("_")
    return name == RETRAINED or (kind == RETRAINED and number.isdigit())


BySplit: TypeAlias = Mapping[Split, Embeddings]
"""Embeddings of one model by split."""


@dataclass(frozen=True)
class Audit:
    """The metrics of one model.

    Attributes:
        name: "original", "retrained" or the run's name.
        metrics: Value by key, see :data:`unlearning_pl.report.metric_terms.TERMS`; a metric that is not defined
            (without test images, for example) is absent.
        scores: Membership score of each image by split, ``(N,)``, in the order of the embeddings: mean cosine
            similarity of its views, or of image and captions if the model reads text; high for a member.
        alignment: Alignment matrix, ``(M, M)``, of the first forget images, at most 200; ``(0, 0)`` without forget
            images.
        steps: For a model that several runs unlearned in sequence, the metrics of each run's own forget images, oldest
            first: ``count``, their number, and :data:`unlearning_pl.audits.steps.SHARED`. Empty if one run forgot all.
        intervals: 95 % bootstrap confidence interval by metric key, if known.
        losses: Training loss of each image by split, ``(N,)``, if known.
        probabilities: Probability of the true class of each image by split, ``(N,)``, by the model itself or by a
            linear probe.
        class_accuracy: Accuracy of each class by split, ``(K,)``, in percent; NaN for a class without images.
        map: t-SNE map of the features: some images of each split, ``(n, 3)``, two coordinates and the class; empty if
            it was not computed.
        evidence: What a verdict is based on: scores of attacks, and utility.
        verdict: The verdict, once the model has been compared; None if no attack is defined.
        retain_relearning: What training on retain images alone brings back, if it was measured.
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
    evidence: Evidence = Evidence({})  # noqa: RUF009  it is frozen
    verdict: Verdict | None = None
    retain_relearning: RelearningCurve | None = None


def drop_empty(splits: BySplit) -> dict[Split, Embeddings]:
    """Drop the splits without images.

    Example:
        >>> drop_empty({})
        {}
    """
    return {split: embeddings for split, embeddings in splits.items() if len(embeddings.features)}


def drop_unlabelled(splits: BySplit) -> dict[Split, Embeddings]:
    """Drop the splits without images, or with unlabelled images.

    Example:
        >>> drop_unlabelled({})
        {}
    """
    return {split: embeddings for split, embeddings in drop_empty(splits).items() if (embeddings.target >= 0).all()}


def require_views(views: int) -> None:
    """Check that there are enough views of an image to compare.

    Raises:
        InputError: If there are fewer than two.

    Example:
        >>> require_views(2)
    """
    require(views >= 2, f"Expected views >= 2, got {views}. The papers use 10.")


def require_finite(name: str, splits: BySplit) -> None:
    """Check that the embeddings of a model are finite.

    Raises:
        InputError: An embedding of a split is NaN or infinite.

    Example:
        >>> require_finite("original", {})
    """
    for split, embeddings in splits.items():
        for field_name in (
            "features",
            "similarities",
            "anchor",
            "positive",
            "logits",
            "losses",
            "zero_shot",
            "probe_views",
        ):
            values: Tensor | None = getattr(embeddings, field_name)
            require(
                values is None or bool(values.isfinite().all()),
                f"Expected finite embeddings, got NaN or infinity in the {field_name} of the {split} images: "
                f"the model's embeddings are not finite ({name}). Use an earlier checkpoint.",
            )
