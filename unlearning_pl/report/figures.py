"""What all figures share: colours that follow the page, plain axes, and the way to SVG or to pixels."""

import re
from io import StringIO

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unlearning_pl.types import Split

INK = "#010203"
"""Stands for the colour of the surrounding text until the SVG is written."""
COLOURS: dict[Split, str] = {"retain": "#3f8fd2", "test": "#8a8f98", "forget": "#e4572e"}
"""Of each split, seen well on a light and on a dark page."""


def plain(axes: Axes) -> None:
    """Give axes the colour of the text and no background.

    Example:
        >>> axes = Figure().add_subplot()
        >>> plain(axes)
        >>> axes.xaxis.label.get_color() == INK
        True
    """
    axes.patch.set_alpha(0)
    axes.tick_params(which="both", colors=INK, labelsize=9)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9.5)
    for spine in axes.spines.values():
        spine.set(color=INK, alpha=0.4)


def legend(figure: Figure, axes: Axes, columns: int = 2) -> None:
    """Name what is drawn above the axes, where it hides nothing.

    Example:
        >>> figure = Figure(layout="constrained")
        >>> legend(figure, figure.add_subplot())  # nothing to name
        >>> figure.legends
        []
    """
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        # A dollar sign would begin mathematics
        labels = [label.replace("$", r"\$") for label in labels]
        looks = {"frameon": False, "fontsize": 9, "labelcolor": INK, "columnspacing": 1.2, "handlelength": 1.6}
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, **looks)


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
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # it is laid out; saving would do it twice more
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text).replace(INK, "currentColor")
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # it would apply to the whole page
    text = _shortened(text)
    box = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    opening = f'<svg role="img" aria-label="{escape(description)}" {box.group() if box else ""}'
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(f"{opening} {namespaces}><title>{escape(description)}</title>{body}")


def pixels(figure: Figure) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """A figure as a picture on white, ``(H, W, 3)``.

    Example:
        >>> pixels(Figure(figsize=(1, 2))).shape
        (320, 160, 3)
    """
    figure.set_dpi(160)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # once; saving would draw twice
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _shortened(text: str) -> str:
    """Two decimals of a coordinate are finer than any screen, and half the weight of a page."""

    def rounded(match: re.Match[str]) -> str:
        return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", match.group())

    text = re.sub(r'\b(d|x|y|x1|x2|y1|y2)="[^"]*"', rounded, text)
    return re.sub(r"\s*\n\s*", "\n", text)
