"""Figure: norms of the gradient of the loss with respect to the input, before and after unlearning.

References:
    [1] Wang & Chen, Machine Unlearning in Contrastive Learning, arXiv 2405.07317
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.figures.drawing import FILLS, Drawing, before_and_after, grouped_axes, log_scale, place
from unlearning_pl.figures.row_values import row_values, split_positions
from unlearning_pl.functional.gradients import input_gradient_norm
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import style_axes
from unlearning_pl.types import Sample, Split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Whiskers, box and line of a box plot."""
_COLUMNS = ("model", "split", "images", *(f"quantile_{q}" for q in QUANTILES))


def input_norms(learner: Learner, sample: Sample) -> Tensor:
    """Norm of the loss gradient with respect to the views of each row, ``(B,)``, as the gradient penalty has it [1].

    Args:
        learner: The model, in evaluation mode.
        sample: B rows.
    """
    views = tuple(view.detach().requires_grad_() for view in sample.views)
    sample = sample._replace(views=views)
    return input_gradient_norm(learner.losses(learner.outputs(sample), sample), views)


def gradient_norms(learners: Mapping[str, Learner], data: UnlearningData, rows: int = 1000, **options: Any) -> Drawing:
    """Draw box plots of the input gradient norms of retain, forget and test images by each model.

    All splits share the batches, in a random order of seed 0, so that a loss that compares rows compares each with the
    same mixture.

    Args:
        learners: The models by name.
        data: The data, with a forget set.
        rows: Most images of each split; of more, these are evenly spaced.
        options: Options of the trainer.

    Raises:
        InputError: If ``rows`` is below 1, or there are no forget or no test images.
    """
    positions = split_positions(data, rows)
    mixed = torch.cat([*positions.values()])
    mixed = mixed[torch.randperm(len(mixed), generator=torch.Generator().manual_seed(0))]
    table: list[tuple[str, Split, int, list[float]]] = []
    for name in before_and_after(learners):
        norms = row_values(learners[name], data, [mixed], input_norms, **options)
        table += [(name, split, len(part), _quantiles(norms[part])) for split, part in positions.items()]
    caption = (
        "L2 norm of the gradient of the training loss of a batch, of all splits mixed, with respect to each image, in "
        "evaluation mode: median, quartiles, and whiskers from the 5 % to the 95 % quantile. The gradient penalty "
        "(Wang & Chen, arXiv 2405.07317) acts on this norm: after unlearning, that of forget images should be as large "
        "as that of images never seen."
    )
    drawn: list[tuple[str | int | float, ...]] = [
        (name, split, count, *quantiles) for name, split, count, quantiles in table
    ]
    return Drawing(_draw(table, [*positions]), _COLUMNS, drawn, caption)


def _quantiles(values: Tensor) -> list[float]:
    levels = torch.tensor(QUANTILES, dtype=values.dtype)
    return [float(value) for value in values.quantile(levels)]


def _draw(table: Sequence[tuple[str, Split, int, list[float]]], splits: Sequence[Split]) -> Figure:
    models = list(dict.fromkeys(name for name, *_ in table))
    figure, axes = grouped_axes(models, splits)
    for name, split, _, quantiles in table:
        box = dict(zip(("whislo", "q1", "med", "q3", "whishi"), quantiles, strict=True))
        axes.bxp(
            [box],
            positions=[place(models.index(name), splits.index(split), len(splits))],
            widths=0.6 / len(splits),
            showfliers=False,
            manage_ticks=False,
            patch_artist=True,
            boxprops=FILLS[split],
            medianprops={"color": "black", "linewidth": 1.4},
        )
    axes.set_ylabel("Norm of the input gradient")
    log_scale(axes, min(row[3][0] for row in table), max(row[3][-1] for row in table))
    style_axes(axes)
    return figure
