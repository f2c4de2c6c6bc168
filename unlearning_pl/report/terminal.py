"""The terminal that the commands print to, whatever the names hold."""

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text
from typing_extensions import override

from unlearning_pl.errors import printable


class PrintableConsole(Console):
    r"""Console that shows control characters of printed text, and of the cells of tables, as escapes.

    Example:
        >>> with (console := PrintableConsole()).capture() as capture:
        ...     console.print("cat\x1b[2J")
        >>> capture.get()
        'cat\\x1b[2J\n'
    """

    @override
    def print(self, *objects: Any, **kwargs: Any) -> None:
        super().print(*(printable(one, keep="\n") if isinstance(one, str) else one for one in objects), **kwargs)

    @override
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        if isinstance(renderable, Text) and (plain := printable(renderable.plain, keep="\n\t")) != renderable.plain:
            renderable = renderable.copy()
            renderable.plain = plain
        elif isinstance(renderable, str):
            renderable = printable(renderable, keep="\n\t")
        return super().render(renderable, options)


def open_console(width: int | None = None) -> PrintableConsole:
    """Open the console of standard output.

    Args:
        width: Number of columns if the output is no terminal; by default 80.

    Example:
        >>> open_console(width=100).width
        100
    """
    return PrintableConsole() if width is None or sys.stdout.isatty() else PrintableConsole(width=width)
