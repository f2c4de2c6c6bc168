"""Figure: distributions of the predicted probability of training and of other images at degrees of overfitting.

References:
    [1] Wang & Chen, Machine Unlearning in Contrastive Learning, arXiv 2405.07317
"""

from collections.abc import Mapping
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.audits.confidence import true_class_probability
from unlearning_pl.audits.probes import class_probabilities
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.figures.drawing import LINES, Drawing, panel_grid
from unlearning_pl.figures.embedded_models import embed_models, split_label
from unlearning_pl.figures.kept_checkpoints import epoch_of
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import COLOURS, INK, legend, style_axes
from unlearning_pl.training.membership_monitor import evenly_spaced
from unlearning_pl.types import Split

PANELS, BINS = 6, 20
"""Most checkpoints that are drawn, and bins of a histogram."""


def probability_distributions(learners: Mapping[str, Learner], data: UnlearningData, **options: Any) -> Drawing:
    """Draw histograms of the probability of the true class at kept checkpoints, a panel each [1].

    The probability is the model's own, or that of a linear probe on its features, fitted on the retain images.

    Args:
        learners: The checkpoints by name, see :func:`~unlearning_pl.figures.kept_checkpoints.open_checkpoints`; of more
            than six, evenly spaced ones are drawn.
        data: The data of their run.
        options: Options of the trainer.

    Raises:
        InputError: If there are no test images, or images have no classes.
    """
    names = [[*learners][place] for place in evenly_spaced(torch.arange(len(learners)), PANELS).tolist()]
    found: dict[str, dict[Split, Tensor]] = {}
    for name, splits in embed_models({name: learners[name] for name in names}, data, **options).items():
        found[name] = true_class_probability(splits, class_probabilities(splits))
        require(bool(found[name]), "Expected images with classes, got some without. Give a run on labelled images.")
    return Drawing(_draw(found), _COLUMNS, _table(found), _CAPTION)


def _table(found: Mapping[str, Mapping[Split, Tensor]]) -> list[tuple[str | int | float, ...]]:
    return [
        (name, epoch_of(name), split_label(split, splits), len(values), *one)
        for name, splits in found.items()
        for split, values in splits.items()
        for one in zip(*_bins(values), strict=True)
    ]


def _draw(found: Mapping[str, Mapping[Split, Tensor]]) -> Figure:
    lines, columns = panel_grid(len(found))
    figure = Figure(figsize=(2.3 * columns + 0.6, 2.0 * lines + 0.7), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(grid.flat):
        style_axes(axes)
        axes.set_visible(place < len(found))
        axes.tick_params(labelbottom=place + columns >= len(found))  # panels below which there is none
    for axes, (name, splits) in zip(grid.flat, found.items(), strict=False):
        for split, values in splits.items():
            percents, edges = histogram(values)
            label = f"{split_label(split, splits)} images"
            axes.stairs(percents, edges, color=COLOURS[split], linewidth=1.6, label=label, **LINES[split])
        axes.set_title(name, fontsize=9.5, color=INK)
        axes.set_yscale("symlog", linthresh=1)
        axes.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        axes.set_ylim(0, 130)
    figure.supxlabel("Probability of the true class", fontsize=9.5, color=INK)
    figure.supylabel("Images, %", fontsize=9.5, color=INK)
    legend(figure, grid[0, 0], columns=3)
    return figure


def _bins(values: Tensor) -> tuple[list[float], list[float], list[float]]:
    """Lower and upper ends of the bins, and their percents."""
    percents, edges = histogram(values)
    return edges[:-1], edges[1:], percents


def histogram(values: Tensor) -> tuple[list[float], list[float]]:
    """Percent of the values in each of 20 bins from 0 to 1, and the edges of the bins.

    Example:
        >>> histogram(torch.tensor([0.0, 0.04, 1.0, 1.0]))[0][:2], histogram(torch.ones(2))[0][-1]
        ([50.0, 0.0], 100.0)
    """
    counts, edges = torch.histogram(values.double().cpu(), BINS, range=(0.0, 1.0))
    return [float(x) for x in 100 * counts / len(values)], [round(float(x), 6) for x in edges]


_COLUMNS = ("model", "epoch", "split", "images", "low", "high", "percent")
_CAPTION = (
    "Predicted probability of the true class, of images that the run was trained on and of others, at several kept "
    "checkpoints, that is, degrees of overfitting; of a model without class scores, by a linear probe on its features, "
    "which is fitted on the retain images and by itself raises the probability of these. "
    "The vertical axis is logarithmic above 1 %. What differs between the distributions is what membership inference "
    "from confidence uses (Wang & Chen, arXiv 2405.07317)."
)
