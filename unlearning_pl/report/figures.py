"""Shared by all figures: colours that follow the page, axis style, and conversion to SVG or to pixels."""

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from unlearning_pl.io import atomic_write
from unlearning_pl.types import Split

INK = "#010203"
"""Placeholder that :func:`svg` replaces with the colour of the surrounding text."""
COLOURS: dict[Split, str] = {"retain": "#3f8fd2", "test": "#8a8f98", "forget": "#e4572e"}
"""Colour of each split, legible on a light and on a dark page."""


def style_axes(axes: Axes) -> None:
    """Style axes in the colour of the text, without a background.

    Example:
        >>> axes = Figure().add_subplot()
        >>> style_axes(axes)
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
    """Put a legend above the axes, where it covers no data.

    Example:
        >>> figure = Figure(layout="constrained")
        >>> legend(figure, figure.add_subplot())  # no labelled artist
        >>> figure.legends
        []
    """
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        # matplotlib would parse a dollar sign as the start of a formula
        labels = [label.replace("$", r"\$") for label in labels]
        style = {"frameon": False, "fontsize": 9, "labelcolor": INK, "columnspacing": 1.2, "handlelength": 1.6}
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, **style)


def svg(figure: Figure, description: str, name: str) -> Markup:
    """Convert a figure to inline SVG with a description for screen readers.

    Text takes the colour of the page; ids are prefixed with ``name``, since many figures share one page.

    Args:
        figure: Drawn with :data:`INK` as the text colour.
        description: Text alternative of the figure.
        name: Prefix of its ids: letters and digits, unique on the page.

    Example:
        >>> svg(Figure(), "nothing & more", "f1")[:71]
        Markup('<svg role="img" aria-label="nothing &amp; more" viewBox="0 0 460.8 345.')
    """
    stream = StringIO()
    figure.patch.set_alpha(0)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")  # the layout is final; savefig would compute it twice more
        figure.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text).replace(INK, "currentColor")
    text = re.sub(r"font-family: [^;\"]*", "font-family: system-ui, sans-serif", text)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # a style element would apply to the whole page
    text = _round_coordinates(text)
    box = re.search(r'viewBox="[^"]*"', text)
    body = text[text.index(">", text.index("<svg")) + 1 :]
    opening = f'<svg role="img" aria-label="{escape(description)}" {box.group() if box else ""}'
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return Markup(f"{opening} {namespaces}><title>{escape(description)}</title>{body}")


def write_png(figure: Figure, path: Path, facts: Mapping[str, str] | None = None) -> None:
    """Write a figure as an opaque PNG, also after :func:`svg` has removed its background.

    Args:
        figure: The figure.
        path: The file.
        facts: Metadata of the file.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.png"
        >>> write_png(Figure(), path)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    figure.patch.set_alpha(1)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=160, facecolor="white", metadata=dict(facts or {}))


def render_pixels(figure: Figure) -> "np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]":
    """Render a figure as an image on a white background, uint8 ``(H, W, 3)``.

    Example:
        >>> render_pixels(Figure(figsize=(1, 2))).shape
        (320, 160, 3)
    """
    figure.set_dpi(160)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]  # draws once; savefig would draw twice
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _round_coordinates(text: str) -> str:
    """Round coordinates to two decimals, finer than any screen; this halves the size of a page."""

    def round_match(match: re.Match[str]) -> str:
        return re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}", match.group())

    text = re.sub(r'\b(d|x|y|x1|x2|y1|y2)="[^"]*"', round_match, text)
    return re.sub(r"\s*\n\s*", "\n", text)
