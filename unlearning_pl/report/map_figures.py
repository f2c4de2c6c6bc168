"""Heat maps of alignment matrices, and two-dimensional maps of the embedding space."""

from collections.abc import Mapping
from typing import Any

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.report.figures import COLOURS, INK, legend, style_axes
from unlearning_pl.types import Split

_LEVELS = 33  # colour levels of a heat map: noise of 256 levels does not compress, and the page would have 4 MB
_MAX_CLASSES = 10  # more classes than this have no distinguishable colours
_MAX_POINTS: dict[Split, int] = {"retain": 250, "test": 150, "forget": 200}  # keeps the map legible, the page small


def heat_map(matrix: Tensor, limit: float | None = None) -> Figure:
    """Draw an alignment matrix of the forget images, or the gap between two.

    Args:
        matrix: ``(M, M)``.
        limit: For a gap, the largest absolute value over all figures that share the colours; None for an alignment.

    Example:
        >>> len(heat_map(torch.eye(3)).axes)  # the map and its colour bar
        2
    """
    figure = Figure(figsize=(3.3, 2.9), layout="constrained")
    axes = figure.add_subplot()
    colours = matplotlib.colormaps["viridis" if limit is None else "PuOr_r"].resampled(_LEVELS)
    limit = 1.0 if limit is None else max(limit, 1e-3)
    image = axes.imshow(matrix.numpy(), vmin=-limit, vmax=limit, cmap=colours, interpolation="nearest")
    axes.set(xlabel="second view of image", ylabel="first view of image")
    ticks = sorted({0, len(matrix) - 1})
    axes.set_xticks(ticks, [str(tick + 1) for tick in ticks])
    axes.set_yticks(ticks, [str(tick + 1) for tick in ticks])
    style_axes(axes)
    style_axes(figure.colorbar(image, ax=axes, shrink=0.9).ax)
    return figure


def embedding_map(points: Mapping[Split, Tensor]) -> Figure:
    """Scatter plot of the embedding space: forget images have a ring, others are small; colours are classes.

    With more than ten classes the colours are those of retain, test and forget.

    Args:
        points: ``(n, 3)`` by split, two coordinates and the class; of many points an evenly spaced subset is drawn.

    Example:
        >>> len(embedding_map({"forget": torch.rand(4, 3)}).axes[0].collections)
        1
    """
    figure = Figure(figsize=(3.9, 3.7), layout="constrained")
    axes = figure.add_subplot()
    classes = sorted({int(number) for part in points.values() for number in part[:, 2].tolist()})
    for split in ("retain", "test", "forget"):
        if split in points and len(points[split]):
            part = _subsample(points[split], _MAX_POINTS[split])
            colours = [_colour(split, classes.index(int(number)), len(classes)) for number in part[:, 2].tolist()]
            axes.scatter(part[:, 0].tolist(), part[:, 1].tolist(), c=colours, label=split, **_marker(split))
    axes.set(xticks=[], yticks=[])
    axes.margins(0.04)
    style_axes(axes)
    legend(figure, axes, columns=3)
    return figure


def _marker(split: Split) -> dict[str, Any]:
    if split == "forget":
        return {"s": 26, "edgecolors": INK, "linewidths": 0.9}
    return {"s": 9, "alpha": 0.55, "linewidths": 0, "marker": "o" if split == "retain" else "^"}


def _colour(split: Split, number: int, classes: int) -> str:
    if classes > _MAX_CLASSES:
        return COLOURS[split]
    return str(matplotlib.colors.to_hex(matplotlib.colormaps["tab10"](number)))


def _subsample(rows: Tensor, limit: int) -> Tensor:
    return rows[torch.linspace(0, len(rows) - 1, min(limit, len(rows))).round().long()]
