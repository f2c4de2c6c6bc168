"""ROC curves of the membership attack, for the page and for JSON.

Letters: P points of a curve.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from unlearning_pl.audits.embeddings import ORIGINAL, is_retrained
from unlearning_pl.functional.roc import roc_curve
from unlearning_pl.report.figures import INK, legend, style_axes

POINTS = 200
"""Maximum number of points of a curve, without its first point."""
_RETRAINED = "#2f9e6e"
_RETRAINED_DASHES = ("-", (0, (5, 1.5)), (0, (3, 1.5, 1, 1.5)), (0, (1, 1.2)))
_MODELS = ("#c2409a", "#c98a12", "#6b6fd6", "#e4572e")


def roc(forget: Tensor, test: Tensor, points: int = POINTS) -> Tensor:
    """ROC curve of forget against test images by their scores, thinned for the page.

    For each false positive rate on a logarithmic grid the function keeps the highest true positive rate at no more
    false positives: each point is a point of the full curve, and the left end, where attacks matter most, loses no
    visible detail.

    Args:
        forget: Scores of forget images, ``(N,)``; a higher score means "member".
        test: Scores of test images, ``(L,)``.
        points: Number of grid points.

    Returns:
        ``(P, 2)``, P <= points + 1: false positive rate on test images and true positive rate on forget images; rising,
        the last point is (1, 1). Empty if one of the sets is empty.

    Example:
        >>> roc(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.1])).tolist()
        [[0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]
    """
    if not len(forget) or not len(test):
        return torch.zeros(0, 2)
    grid = torch.logspace(-math.log10(len(test)), 0, points, dtype=torch.float64)
    false_positives = torch.unique(torch.cat([torch.zeros(1), grid * len(test) + 1e-6]).long())
    false, true = roc_curve(forget, test)
    last = torch.searchsorted((false * len(test)).round().long(), false_positives, right=True) - 1
    curve: Tensor = torch.unique(torch.stack([false[last], true[last]], dim=1), dim=0)
    return curve


def line_styles(names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Colour and dashes of each model's line, in order; all retrained models share a colour that no other model has.

    Example:
        >>> [colour for colour, _ in line_styles(["retrained", "ac", "retrained_2"])]
        ['#2f9e6e', '#c2409a', '#2f9e6e']
    """
    colours, dashes = cycle(_MODELS), cycle(_RETRAINED_DASHES)
    for name in names:
        if name == ORIGINAL:
            yield INK, (0, (4, 2))
        elif is_retrained(name):
            yield _RETRAINED, next(dashes)
        else:
            yield next(colours), "-"


def roc_figure(curves: Mapping[str, Tensor], auc: Mapping[str, float]) -> Figure:
    """Draw ROC curves on logarithmic axes, which resolve low false positive rates; the dotted line is guessing.

    Args:
        curves: ``(P, 2)`` by model name, see :func:`roc`.
        auc: AUC by model name, where defined.

    Example:
        >>> roc_figure({"ac": roc(torch.rand(9), torch.rand(9))}, {"ac": 0.5}).axes[0].get_xscale()
        'log'
    """
    figure = Figure(figsize=(3.9, 3.5), layout="constrained")
    axes = figure.add_subplot()
    lowest = 100 * min((value for curve in curves.values() for value in curve[curve > 0].tolist()), default=0.1) / 1.5
    axes.plot([lowest, 100], [lowest, 100], color=INK, alpha=0.5, linewidth=1, linestyle=(0, (1, 2)), label="guessing")
    for (name, curve), (colour, line_style) in zip(curves.items(), line_styles(curves), strict=True):
        percent = (100 * curve.double()).clamp(min=lowest).tolist()
        label = f"{name} ({auc[name]:.3f})" if name in auc else name
        # matplotlib omits labels that start with an underscore
        label = f"\u2009{label}" if label.startswith("_") else label
        x, y = zip((lowest, percent[0][1]), *percent, strict=True)
        axes.step(x, y, where="post", color=colour, linestyle=line_style, linewidth=1.7, label=label)
    axes.set(xscale="log", yscale="log", xlim=(lowest, 100), ylim=(lowest, 105))
    axes.set(xlabel="Test images accused wrongly, %", ylabel="Forget images found, %")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_locator(LogLocator(subs=(2, 5)))  # eight a decade would be half of the SVG
        axis.set_minor_formatter(NullFormatter())
    style_axes(axes)
    legend(figure, axes, columns=1 if max(map(len, curves), default=0) > 12 else 2)
    return figure
