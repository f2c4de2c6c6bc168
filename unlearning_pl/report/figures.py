"""Figures of an audit, as SVG that follows the page's colours; matplotlib without its global state."""

import re
from collections.abc import Sequence
from io import StringIO

import matplotlib
import numpy as np
import torch
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from unlearning_pl.audits.membership import Scores
from unlearning_pl.sample import Split

INK = "#010203"
"""Stands for the colour of the surrounding text until the SVG is written."""
_COLOURS: dict[Split, str] = {"retain": "#3f8fd2", "test": "#8a8f98", "forget": "#e4572e"}
_BINS = 30
_LEVELS = 33  # of colour in a heat map: noise of 256 levels does not compress, and the page would weigh 4 MB
_FEW = 10  # fewer images than this are marked one by one; their shares would dwarf the histogram


def score_range(scores: Sequence[Scores]) -> tuple[float, float]:
    """Range of all membership scores of all models, so that their histograms share the axis.

    Example:
        >>> score_range([{"test": torch.tensor([0.25, 0.5])}, {"forget": torch.tensor([1.0])}])
        (0.25, 1.0)
    """
    values = [value for model in scores for value in model.values()]
    if not values:
        return 0.0, 1.0
    low, high = (function(torch.cat(values)).item() for function in (torch.min, torch.max))
    return (low, high) if high - low > 1e-6 else (low - 0.5, high + 0.5)


def highest_share(scores: Sequence[Scores], limits: tuple[float, float]) -> float:
    """Tallest bar of the histograms of all models, in percent, so that they share the axis.

    Example:
        >>> highest_share([{"test": torch.zeros(10)}], (0.0, 1.0))
        100.0
    """
    shares = [_shares(v, limits).max() for model in scores for v in model.values() if len(v) >= _FEW]
    return float(max(shares, default=100.0))


def histogram(scores: Scores, limits: tuple[float, float], top: float, threshold: float | None) -> Figure:
    """Membership scores of retain, test and forget images of one model.

    Args:
        scores: Scores ``(N,)`` by split.
        limits: Range of the scores, see :func:`score_range`.
        top: Tallest bar in percent, see :func:`highest_share`.
        threshold: Score from which on the attacker calls an image a member, drawn as a dashed line.

    Example:
        >>> figure = histogram({"test": torch.rand(20)}, (0.0, 1.0), 30.0, None)
        >>> figure.axes[0].get_xlabel()
        'Membership score'
    """
    figure = Figure(figsize=(3.9, 2.9), layout="constrained")
    axes = figure.add_subplot()
    for split in ("test", "retain", "forget"):
        if split in scores:
            _draw(axes, split, scores[split], limits)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=1, linestyle=(0, (4, 3)), label="attacker's threshold")
    axes.set(xlim=limits, ylim=(0, 1.08 * top), xlabel="Membership score", ylabel="Images, %")
    _plain(axes)
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    return figure


def heat_map(matrix: Tensor, limit: float | None = None) -> Figure:
    """An alignment matrix, or the gap between two, over the forget images.

    Args:
        matrix: ``(M, M)``.
        limit: For a gap its largest absolute value in any figure to compare with; None for an alignment.

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
    _plain(axes)
    _plain(figure.colorbar(image, ax=axes, shrink=0.9).ax)
    return figure


def svg(figure: Figure, description: str, name: str) -> Markup:
    """Write a figure as inline SVG with a description for people who do not see it.

    Text takes the colour of the page; ids are prefixed with ``name``, since many figures share one page.

    Args:
        figure: Drawn with :data:`INK` as the text colour.
        description: What it shows, in words.
        name: Unique on the page, of letters and digits.

    Example:
        >>> svg(Figure(), "nothing & more", "f1")[:71]
        Markup('<svg role="img" aria-label="nothing &amp; more" viewBox="0 0 460.8 345.')
    """
    stream = StringIO()
    figure.patch.set_alpha(0)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text).replace(INK, "currentColor")
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would apply to the whole page
    box = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    opening = f'<svg role="img" aria-label="{escape(description)}" {box.group() if box else ""}'
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(f"{opening} {namespaces}><title>{escape(description)}</title>{body}")


def _draw(axes: Axes, split: Split, scores: Tensor, limits: tuple[float, float]) -> None:
    label, colour = f"{split} ({len(scores)})", _COLOURS[split]
    if len(scores) < _FEW:
        for row, score in enumerate(scores.tolist()):
            axes.axvline(score, color=colour, linewidth=2.2, label=label if row == 0 else None)
        return
    edges, shares = np.linspace(*limits, _BINS + 1), _shares(scores, limits)
    if split == "test":
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.45, label=label)
    else:
        axes.stairs(shares, edges, color=colour, linewidth=2.0 if split == "forget" else 1.4, label=label)


def _shares(scores: Tensor, limits: tuple[float, float]) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    counts, _ = np.histogram(scores.double().numpy().clip(*limits), bins=_BINS, range=limits)
    return 100.0 * counts / len(scores)


def _plain(axes: Axes) -> None:
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9.5)
    for spine in axes.spines.values():
        spine.set(color=INK, alpha=0.4)
