"""Figure: loss of a batch of training images and of one of other images, before and after unlearning.

References:
    [1] Wang & Chen, Machine Unlearning in Contrastive Learning, arXiv 2405.07317
"""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.figures.drawing import FILLS, Drawing, before_and_after, grouped_axes, place
from unlearning_pl.figures.row_values import row_values, split_positions
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import INK, style_axes
from unlearning_pl.report.wording import pluralize
from unlearning_pl.training.membership_monitor import evenly_spaced
from unlearning_pl.types import Sample


def batch_loss(
    learners: Mapping[str, Learner], data: UnlearningData, rows: int | None = None, **options: Any
) -> Drawing:
    """Draw the mean loss of one batch of retain, of forget and of test images by each model, as bars [1].

    The batches have one size, since a loss that compares rows depends on their number, and hold one split each.

    Args:
        learners: The models by name.
        data: The data, with a forget set.
        rows: Images of a batch, evenly spaced in their split; ``data.eval_batch_size`` by default. A split with fewer
            decides for all.
        options: Options of the trainer.

    Raises:
        InputError: If ``rows`` is not from 1 to ``data.eval_batch_size``, there are no forget or no test images, or a
            single image has no loss, since the loss compares images.
    """
    limit = data.eval_batch_size
    require(
        rows is None or rows <= limit,
        f"Expected rows <= {limit}, data.eval_batch_size, got {rows}. One batch is drawn; raise the other.",
    )
    positions = split_positions(data, limit if rows is None else rows)
    size = min(map(len, positions.values()))
    positions = {split: evenly_spaced(own, size) for split, own in positions.items()}
    table: list[tuple[Any, ...]] = []
    for name in before_and_after(learners):
        losses = row_values(learners[name], data, [*positions.values()], _losses, **options)
        for split, batch in positions.items():
            error = float(losses[batch].std()) / size**0.5 if size > 1 else ""
            table.append((name, split, size, float(losses[batch].mean()), error))
    require(
        size > 1 or any(row[3] for row in table),
        "Expected two images or more of each split, got one, of which a loss that compares images is 0 whatever the "
        "model. Draw gradient_norms, or give a run that forgot more.",
    )
    spread = "; the error bar is the standard error over the images" if size > 1 else ", without an error bar"
    caption = (
        f"Training loss of one batch of each split, {pluralize(size, 'image')}, in evaluation mode{spread}. "
        "Unlearning should raise that of forget images to that of images never seen, and leave the others (Wang & "
        "Chen, arXiv 2405.07317)."
    )
    return Drawing(_draw(table), ("model", "split", "images", "mean", "standard_error"), table, caption)


def _losses(learner: Learner, sample: Sample) -> Tensor:
    return learner.losses(learner.outputs(sample), sample)


def _draw(table: Sequence[tuple[Any, ...]]) -> Figure:
    models, splits = (list(dict.fromkeys(row[column] for row in table)) for column in (0, 1))
    figure, axes = grouped_axes(models, splits)
    for name, split, _, mean, error in table:
        at = place(models.index(name), splits.index(split), len(splits))
        axes.bar(at, mean, width=0.6 / len(splits), **FILLS[split])
        if error != "":
            axes.errorbar(at, mean, error, color=INK, elinewidth=1, capsize=2.5)
    axes.set_ylabel("Mean loss of the batch")
    style_axes(axes)
    return figure
