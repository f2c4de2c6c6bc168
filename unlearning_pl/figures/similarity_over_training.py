"""Figure: cosine similarity of the views of training and of other images over a training.

References:
    [1] Wang & Chen, Machine Unlearning in Contrastive Learning, arXiv 2405.07317
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from unlearning_pl.data import UnlearningData
from unlearning_pl.figures.drawing import LINES, Drawing
from unlearning_pl.figures.embedded_models import embed_models, split_label
from unlearning_pl.figures.kept_checkpoints import epoch_of
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import COLOURS, legend, style_axes
from unlearning_pl.types import Split

_COLUMNS = ("model", "epoch", "split", "images", "mean", "quantile_0.25", "quantile_0.75")


def similarity_over_training(
    learners: Mapping[str, Learner], data: UnlearningData, views: int = 10, **options: Any
) -> Drawing:
    """Draw the mean cosine similarity of the views of an image at each kept checkpoint, with quartiles [1].

    It is the membership score of an audit: of the encoder outputs of all pairs of views.

    Args:
        learners: The checkpoints by name, see :func:`~unlearning_pl.figures.kept_checkpoints.open_checkpoints`.
        data: The data of their run.
        views: Augmented views per image, at least 2.
        options: Options of the trainer.

    Raises:
        InputError: With fewer than two views, or without test images.
    """
    rows: list[tuple[Any, ...]] = []
    for name, splits in embed_models(learners, data, views, **options).items():
        for split, embeddings in splits.items():
            scores = embeddings.similarities.double().mean(1)
            numbers = [float(x) for x in (scores.mean(), scores.quantile(0.25), scores.quantile(0.75))]
            rows.append((name, epoch_of(name), split_label(split, splits), len(scores), *numbers))
    return Drawing(_draw(rows), _COLUMNS, rows, _CAPTION.format(views=views))


def _draw(rows: Sequence[tuple[Any, ...]]) -> Figure:
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for label in dict.fromkeys(row[2] for row in rows):
        split: Split = "retain" if label == "train" else label
        epochs, means, low, high = zip(*((row[1], *row[4:]) for row in rows if row[2] == label), strict=True)
        style = {"color": COLOURS[split], "marker": "o", "markersize": 4, **LINES[split]}
        axes.plot(epochs, means, label=f"{label} images", **style)
        axes.fill_between(epochs, low, high, color=COLOURS[split], alpha=0.18, linewidth=0)
    axes.set(xlabel="Epoch", ylabel="Cosine similarity of views")
    style_axes(axes)
    legend(figure, axes, columns=3)
    return figure


_CAPTION = (
    "Mean cosine similarity of the encoder outputs of {views} augmented views of an image, over the images of a split, "
    "at each checkpoint that the run kept; bands from quartile to quartile. Training images that move away from test "
    "images are remembered, and the distance is what membership inference on an encoder uses (Wang & Chen, arXiv "
    "2405.07317)."
)
