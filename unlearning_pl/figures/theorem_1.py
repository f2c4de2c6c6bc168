r"""Figure: the quantities of CoUn's Theorem 1, estimated on data.

References:
    [1] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
    [2] Huang et al., Towards the Generalization of Contrastive Self-Supervised Learning, ICLR 2023, arXiv 2111.00743
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import isolated_rng
from unlearning_pl.errors import require
from unlearning_pl.figures.drawing import LINES, Drawing, before_and_after, plain_label
from unlearning_pl.figures.embedded_models import embed_models
from unlearning_pl.functional.augmentation_concentration import (
    augmented_distances,
    centre_distances,
    main_part_fractions,
    unstable_fractions,
)
from unlearning_pl.learners import Learner
from unlearning_pl.report.figures import INK, style_axes
from unlearning_pl.report.roc_figures import line_styles
from unlearning_pl.training.membership_monitor import evenly_spaced
from unlearning_pl.types import Split

STEPS = 41
"""Points of a curve."""
FORGET_AND_TEST: tuple[Split, ...] = ("forget", "test")
_COLUMNS = ("quantity", "model", "split", "x", "value")


class Curve(NamedTuple):
    """A quantity of a model on a split as a function of x; of all models if ``model`` is empty."""

    quantity: str
    model: str
    split: Split
    x: Tensor
    value: Tensor


def theorem_1(
    learners: Mapping[str, Learner], data: UnlearningData, views: int = 10, rows: int = 50, **options: Any
) -> Drawing:
    r"""Draw :math:`1 - \sigma` against delta, :math:`R_\varepsilon` against epsilon, and distances of class centres.

    The theorem bounds the error of a head by :math:`(1 - \sigma) + R_\varepsilon` where class centres are far enough
    apart [1, 2]. The first is of the augmentation alone, over the retain images of the worst class; the others are of
    each model.

    Args:
        learners: The models by name.
        data: The data, with a forget set and classes.
        views: Augmented views per image, at least 2.
        rows: Most images of a class for the first quantity, evenly spaced.
        options: Options of the trainer.

    Raises:
        InputError: With fewer than two views, without forget or test images, or with retain images of fewer than two
            classes.
    """
    embedded = embed_models(learners, data, views, **options)
    curves = [concentration(data, next(iter(learners.values())), views, rows)]
    for name in before_and_after(embedded):
        splits = embedded[name]
        require("forget" in splits, "Expected forget images, got none. Give a run with a request.")
        for split in FORGET_AND_TEST:
            farthest = (2 - 2 * splits[split].similarities.amin(1)).clamp(min=0).sqrt().max()
            epsilons = torch.linspace(0, max(1e-3, float(farthest)), STEPS, dtype=torch.float64)
            values = unstable_fractions(splits[split].similarities, epsilons)
            curves.append(Curve("unstable_fraction", name, split, epsilons, values))
        distances = centre_distances(splits["retain"].features, splits["retain"].target).sort().values
        curves.append(Curve("centre_distance", name, "retain", torch.arange(len(distances)), distances))
    table = [
        (curve.quantity, curve.model, curve.split, float(x), float(value))
        for curve in curves
        for x, value in zip(curve.x, curve.value, strict=True)
    ]
    return Drawing(_draw(curves), _COLUMNS, table, _CAPTION.format(views=views, rows=rows))


def concentration(data: UnlearningData, learner: Learner, views: int, rows: int) -> Curve:
    r"""Estimate :math:`1 - \sigma` of the augmentation, that of the class where it is largest, against delta.

    Delta is a distance of normalised pixels, as the learner reads them, divided by the root of their number: a
    root-mean-square difference.

    Args:
        data: The data, loaded.
        learner: Decides how pixels are normalised.
        views: V.
        rows: Most images of a class.

    Raises:
        InputError: If the retain images have fewer than two classes, or some have none.
    """
    positions = data.positions("retain")
    target = data.pool.rows_at(positions)[1]
    classes = torch.unique(target)
    require(
        len(classes) > 1 and int(classes[0]) >= 0,
        f"Expected retain images of two classes or more, got {len(classes)}. Give a run on labelled images.",
    )
    plan = SamplePlan.embedding(InputSpec.of(learner), views, seed=0)
    found = []
    for number in classes:
        own = evenly_spaced(positions[target == number], rows)
        (batch,) = data.loader(own, plan, rows=len(own))
        with isolated_rng(torch.device("cpu"), int(number)):
            pixels = torch.stack([view.flatten(1) for view in data.sample(batch).views[1:]], dim=1)
        found.append(augmented_distances(pixels) / pixels.shape[2] ** 0.5)
    deltas = torch.linspace(0, float(max(part.max() for part in found)), STEPS, dtype=torch.float64)
    worst = torch.stack([1 - main_part_fractions(part, deltas) for part in found]).amax(0)
    return Curve("one_minus_sigma", "", "retain", deltas, worst)


def _draw(curves: Sequence[Curve]) -> Figure:
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    models = list(dict.fromkeys(curve.model for curve in curves if curve.model))
    colours = {name: colour for name, (colour, _) in zip(models, line_styles(models), strict=False)}
    for curve in curves:
        if curve.quantity == "one_minus_sigma":
            left.plot(curve.x, curve.value, color=INK, linewidth=1.4)
        elif curve.quantity == "unstable_fraction":
            label = plain_label(f"{curve.model}, {curve.split}")
            middle.plot(curve.x, curve.value, color=colours[curve.model], label=label, **LINES[curve.split])
        else:
            _strip(right, models.index(curve.model), curve.value, colours[curve.model])
    left.set(xlabel=r"$\delta$, RMS difference of pixels", ylabel=r"$1 - \sigma$ of the augmentation")
    middle.set(xlabel=r"$\varepsilon$, distance of features", ylabel=r"$R_\varepsilon$")
    right.set(ylabel="Distance of two class centres")
    right.set_xticks(range(len(models)), map(plain_label, models), rotation=20, ha="right", rotation_mode="anchor")
    for axes, high in ((left, 1.03), (middle, 1.03), (right, None)):
        axes.set_ylim(0 if high is None else -0.03, high)
        style_axes(axes)
    handles, labels = middle.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", frameon=False, fontsize=9, labelcolor=INK, ncols=4)
    return figure


def _strip(axes: Axes, place: int, distances: Tensor, colour: str) -> None:
    """All pairs as dots, and the smallest distance, which the theorem is about, as a line."""
    offsets = 0.25 * (torch.rand(len(distances), generator=torch.Generator().manual_seed(0)) - 0.5)
    axes.scatter((place + offsets).tolist(), distances.tolist(), s=9, color=colour, alpha=0.6, linewidths=0)
    axes.plot([place - 0.3, place + 0.3], [float(distances.min())] * 2, color=INK, linewidth=1.4)


_CAPTION = (
    "Quantities of CoUn's Theorem 1 (arXiv 2509.16391, with the definitions of Huang et al., arXiv 2111.00743), which "
    "bounds the error by (1 - sigma) + R_epsilon where class centres are far enough apart. Left: 1 - sigma of the "
    "augmentation, of the worst class of retain images, at most {rows} a class: for these images an upper estimate, "
    "while a sample of a class tends to have less than the class. Middle: R_epsilon, the fraction of images "
    "of which two of {views} views have normalised features farther than epsilon apart, a lower estimate. Right: "
    "distances of the class centres of retain images, the line is the smallest. The distance that the theorem asks for "
    "depends on the Lipschitz constant of the encoder and is not estimated."
)
