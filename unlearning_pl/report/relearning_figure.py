"""Figure of retain-only relearning: forget accuracy, membership AUC and loss against epochs, a line a model."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.report.figures import legend, style_axes
from unlearning_pl.report.roc_figures import line_styles

_LABELS = {"accuracy": "Forget accuracy, %", "auc": "Membership AUC", "loss": "Loss of forget images"}


def relearning_figure(curves: Mapping[str, RelearningCurve]) -> Figure:
    """Draw what training on retain images alone brings back; a figure that no model has is left out.

    Args:
        curves: Curve by model name.

    Example:
        >>> curve = RelearningCurve((0, 1), (), (0.5, 0.75), (2.0, 0.5))
        >>> [axes.get_ylabel() for axes in relearning_figure({"ac": curve}).axes]
        ['Membership AUC', 'Loss of forget images']
    """
    shown = [key for key in _LABELS if any(getattr(curve, key) for curve in curves.values())]
    figure = Figure(figsize=(2.6 * max(1, len(shown)), 2.6), layout="constrained")
    panels = figure.subplots(1, max(1, len(shown)), squeeze=False)[0]
    for axes, key in zip(panels, shown, strict=False):
        for (name, curve), (colour, line_style) in zip(curves.items(), line_styles(curves), strict=True):
            values = getattr(curve, key)
            label = f"\u2009{name}" if name.startswith("_") else name  # matplotlib omits such labels
            axes.plot(curve.epochs[: len(values)], values, color=colour, linestyle=line_style, label=label)
        axes.set(xlabel="Epochs on retain images", ylabel=_LABELS[key])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        style_axes(axes)
    legend(figure, panels[0])
    return figure
