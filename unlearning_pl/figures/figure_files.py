"""Files of figures: PNG, SVG and CSV of each, and one page of all that a folder has.

The caption and the command of a figure are in the metadata of its PNG, from which the page is made: whoever passes the
picture on passes on how it was made.
"""

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock
from PIL import Image, UnidentifiedImageError

from unlearning_pl.errors import printable
from unlearning_pl.figures.drawing import Drawing
from unlearning_pl.figures.kinds import KINDS
from unlearning_pl.io import write_text
from unlearning_pl.report.figures import svg, write_png
from unlearning_pl.report.templates import open_template

PAGE = "figures.html"


class Entry(NamedTuple):
    """A figure of the page.

    Attributes:
        name: Stem of its files.
        title: Its heading.
        caption: What it shows.
        command: The command that drew it.
    """

    name: str
    title: str
    caption: str
    command: str


def write_figure(folder: Path, name: str, drawing: Drawing, command: Sequence[str]) -> Path:
    """Write ``NAME.png``, ``NAME.svg`` and ``NAME.csv``, the numbers drawn, and the page of all figures in the folder.

    Each file is written atomically; a lock keeps two processes from writing the page of one another's.

    Args:
        folder: Output folder.
        name: Name of the kind.
        drawing: The figure.
        command: The command that draws it.

    Returns:
        The path of the page.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([drawing.columns, *drawing.rows])
    line = printable(shlex.join(command))
    facts = {"Title": KINDS[name].title, "Description": printable(drawing.caption), "Comment": line}
    picture = svg(drawing.figure, f"{facts['Title']}. {facts['Description']} {line}", name.replace("_", ""))
    with FileLock(folder / ".figures.lock"):
        write_text(folder / f"{name}.csv", text.getvalue())
        write_text(folder / f"{name}.svg", picture)
        write_png(drawing.figure, folder / f"{name}.png", facts)
        page = open_template("figures.html.jinja").render(figures=_entries(folder))
        return write_text(folder / PAGE, page)


def _entries(folder: Path) -> list[Entry]:
    """Figures that the folder has, in the order of the kinds; pictures of another origin are none."""
    found = []
    for name in KINDS:
        try:
            with Image.open(folder / f"{name}.png") as picture:
                facts = [picture.info.get(key) for key in ("Title", "Description", "Comment")]
        except (OSError, UnidentifiedImageError):
            continue
        if all(isinstance(fact, str) for fact in facts):
            found.append(Entry(name, *map(str, facts)))
    return found
