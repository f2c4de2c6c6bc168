"""Figure of retain-only relearning: forget accuracy, membership AUC or loss against epochs, a line a model."""

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.report.figures import legend, style_axes
from unlearning_pl.report.roc_figures import line_styles

MEASURES = {"accuracy": "Forget accuracy, %", "auc": "Membership AUC", "loss": "Loss of forget images"}
"""What a curve measures after each epoch, with its label."""


def relearning_figure(curves: Mapping[str, RelearningCurve], measure: str) -> Figure:
    """Draw one measure of what training on retain images alone brings back, a line for each model that has it.

    Args:
        curves: Curve by model name.
        measure: A key of :data:`MEASURES`.

    Example:
        >>> curve = RelearningCurve((0, 1), (), (0.5, 0.75), (2.0, 0.5))
        >>> relearning_figure({"ac": curve}, "auc").axes[0].get_ylabel()
        'Membership AUC'
    """
    figure = Figure(figsize=(3.4, 3.0), layout="constrained")
    axes = figure.add_subplot()
    for (name, curve), (colour, line_style) in zip(curves.items(), line_styles(curves), strict=True):
        values = getattr(curve, measure)
        if not values:
            continue
        label = f"\u2009{name}" if name.startswith("_") else name  # matplotlib omits such labels
        # a marker, because a curve that diverged at once is a single point
        style = {"color": colour, "linestyle": line_style, "linewidth": 1.7, "marker": "o", "markersize": 3}
        axes.plot(curve.epochs, values, label=label, **style)
    axes.set(xlabel="Epochs on retain images", ylabel=MEASURES[measure])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(axes)
    legend(figure, axes, columns=1 if max(map(len, curves), default=0) > 12 else 2)
    return figure
