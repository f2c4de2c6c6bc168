"""What a kind of figure makes: a drawing, the numbers that it shows, and what they are."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unlearning_pl.audits.embeddings import ORIGINAL, is_retrained
from unlearning_pl.report.figures import COLOURS, INK, legend
from unlearning_pl.types import Split

SPLITS: tuple[Split, ...] = ("retain", "forget", "test")
"""Splits of a figure, in its order."""

LINES: dict[Split, dict[str, Any]] = {
    "retain": {"linestyle": "-"},
    "forget": {"linestyle": (0, (5, 1.5))},
    "test": {"linestyle": (0, (1.5, 1))},
}
"""Dashes of each split, which tell lines apart in print without colours."""

FILLS: dict[Split, dict[str, Any]] = {
    split: {
        "facecolor": COLOURS[split],
        "edgecolor": INK,
        "linewidth": 0.8,
        "hatch": "////" if split == "forget" else "",
    }
    for split in SPLITS
}
"""Fill of each split in bars and boxes; that of forget images is hatched, for print without colours."""


class Drawing(NamedTuple):
    """A figure with its numbers.

    Attributes:
        figure: The drawing.
        columns: Names of the columns of its table.
        rows: The numbers drawn, a row each.
        caption: What it shows, in sentences.
    """

    figure: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float]]
    caption: str


def before_and_after(names: Iterable[str]) -> list[str]:
    """Order models: the original, the unlearned ones, the retrained ones.

    Example:
        >>> before_and_after(["original", "retrained", "retrained_2", "ac", "ng"])
        ['original', 'ac', 'ng', 'retrained', 'retrained_2']
    """
    return sorted(names, key=lambda name: (name != ORIGINAL, is_retrained(name)))


def plain_label(name: str) -> str:
    r"""Escape a name for matplotlib, which would parse a dollar sign as the start of a formula.

    Example:
        >>> plain_label("a$b")
        'a\\$b'
    """
    return name.replace("$", r"\$")


def grouped_axes(models: Sequence[str], splits: Sequence[Split]) -> tuple[Figure, Axes]:
    """Axes with a group for each model and a legend of the splits, whose marks are at :func:`place`.

    Example:
        >>> figure, axes = grouped_axes(["original", "ac"], ["forget", "test"])
        >>> [label.get_text() for label in axes.get_xticklabels()]
        ['original', 'ac']
    """
    figure = Figure(figsize=(max(4.6, 1.2 + 1.2 * len(models)), 3.6), layout="constrained")
    axes = figure.add_subplot()
    tilted: dict[str, Any] = (
        {"rotation": 20, "ha": "right", "rotation_mode": "anchor"} if max(map(len, models)) > 12 else {}
    )
    axes.set_xticks(range(len(models)), [plain_label(name) for name in models], **tilted)
    for split in splits:
        axes.scatter([], [], marker="s", s=60, label=f"{split} images", **FILLS[split])
    legend(figure, axes, columns=3)
    return figure, axes


def place(model: int, split: int, splits: int) -> float:
    """Centre of the mark of a split in the group of a model; a group is 0.75 wide.

    Example:
        >>> [place(1, split, 3) for split in range(3)]
        [0.75, 1.0, 1.25]
    """
    return model + (split - (splits - 1) / 2) * 0.75 / splits


def log_scale(axes: Axes, low: float, high: float) -> None:
    """Give positive numbers a logarithmic y axis with readable ticks, whether they span decades or part of one.

    Example:
        >>> log_scale(axes := Figure().add_subplot(), 0.2, 1.5)
        >>> axes.yaxis.get_major_formatter()(0.5)
        '0.5'
    """
    axes.set_yscale("log")
    if high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def panel_grid(panels: int) -> tuple[int, int]:
    """Lines and columns of a grid of panels, three a line at most.

    Example:
        >>> panel_grid(2), panel_grid(4), panel_grid(5)
        ((1, 2), (2, 2), (2, 3))
    """
    columns = 2 if panels == 4 else min(3, panels)
    return -(-panels // columns), columns
