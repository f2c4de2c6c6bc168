"""Histograms of per-image values: membership scores, probabilities, losses."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.report.figures import COLOURS, INK, legend, style_axes
from unlearning_pl.types import Split

Values = Mapping[Split, Tensor]
_BINS = 30
_MIN_IMAGES = 10  # fewer images than this are drawn as lines; their bars would dwarf the rest of the histogram


def value_range(models: Sequence[Values], share: float = 1.0) -> tuple[float, float]:
    """Range of the values of all models, so that their histograms share the x axis.

    Args:
        models: Values ``(N,)`` by split, of each model.
        share: Fraction of the values of all models together that lies below the upper end: a few distant outliers would
            compress all other values into one bar.

    Example:
        >>> value_range([{"test": torch.tensor([0.25, 0.5])}, {"forget": torch.tensor([1.0])}])
        (0.25, 1.0)
    """
    non_empty = [values for model in models for values in model.values() if len(values)]
    if not non_empty:
        return 0.0, 1.0
    ordered = torch.cat(non_empty).double().sort().values
    low, high = ordered[0].item(), ordered[int(share * (len(ordered) - 1))].item()
    return (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)


def highest_share(models: Sequence[Values], limits: tuple[float, float]) -> float:
    """Height of the tallest bar over all models in percent, so that their histograms share the y axis.

    Example:
        >>> highest_share([{"test": torch.zeros(10)}], (0.0, 1.0))
        100.0
    """
    heights = [_percentages(v, limits).max() for model in models for v in model.values() if len(v) >= _MIN_IMAGES]
    return float(max(heights, default=100.0))


def histogram(
    values: Values, limits: tuple[float, float], top: float, threshold: float | None = None, label: str = ""
) -> Figure:
    """Draw histograms of the values of retain, test and forget images of one model.

    Args:
        values: Values ``(N,)`` by split; values outside of the limits count in the outermost bar.
        limits: Range of the x axis, see :func:`value_range`.
        top: Height of the tallest bar in percent, see :func:`highest_share`.
        threshold: Score at and above which the attacker classifies an image as a member, drawn as a dashed line.
        label: Label of the x axis.

    Example:
        >>> figure = histogram({"test": torch.rand(20)}, (0.0, 1.0), 30.0, label="Loss")
        >>> figure.axes[0].get_xlabel()
        'Loss'
    """
    figure = Figure(figsize=(3.9, 2.9), layout="constrained")
    axes = figure.add_subplot()
    draw_values(axes, values, limits)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="attacker's threshold")
    axes.set(xlim=limits, ylim=(0, 1.08 * top), xlabel=label, ylabel="Images, %")
    style_axes(axes)
    legend(figure, axes)
    return figure


def draw_values(axes: Axes, values: Values, limits: tuple[float, float]) -> None:
    """Draw the histograms of one model into axes, forget images on top.

    Args:
        axes: Where to draw.
        values: Values ``(N,)`` by split.
        limits: Range of the x axis; values outside count in the outermost bar.

    Example:
        >>> axes = Figure().add_subplot()
        >>> draw_values(axes, {"test": torch.rand(20)}, (0.0, 1.0))
        >>> len(axes.patches)
        1
    """
    for split in ("test", "retain", "forget"):
        if split in values:
            _draw_split(axes, split, values[split], limits)


def _draw_split(axes: Axes, split: Split, values: Tensor, limits: tuple[float, float]) -> None:
    label, colour = f"{split} ({len(values)})", COLOURS[split]
    if len(values) < _MIN_IMAGES:
        for row, value in enumerate(values.clamp(*limits).tolist()):
            axes.axvline(value, color=colour, linewidth=2.2, label=label if row == 0 else None)
        return
    edges, heights = np.linspace(*limits, _BINS + 1), _percentages(values, limits)
    if split == "test":
        axes.stairs(heights, edges, fill=True, color=colour, alpha=0.45, label=label)
    else:
        axes.stairs(heights, edges, color=colour, linewidth=2.0 if split == "forget" else 1.4, label=label)


def _percentages(values: Tensor, limits: tuple[float, float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    counts, _ = np.histogram(values.double().numpy().clip(*limits), bins=_BINS, range=limits)
    return 100.0 * counts / len(values)
