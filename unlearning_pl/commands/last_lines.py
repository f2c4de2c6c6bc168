"""The last lines of a command: the folder or file that it wrote, and what usually comes next."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from unlearning_pl.cli.exit_status import rank
from unlearning_pl.report.terminal import open_console


class LastLines(NamedTuple):
    """What a command ends with.

    Attributes:
        written: What the command wrote, and where.
        hint: What usually comes next: a command, or how to open a page; empty if nothing does.
    """

    written: str
    hint: str = ""


def next_command(*words: str) -> str:
    """The hint at a command of ``unlearning-pl``, quoted so that it can be copied into a shell.

    Example:
        >>> next_command("audit", "--model", "my runs/ac")
        "Next: unlearning-pl audit --model 'my runs/ac'"
    """
    return f"Next: {shlex.join(['unlearning-pl', *words])}"


def allow_words(allowed: Sequence[str]) -> list[str]:
    """The option with classes of the user's own, which the next command needs too.

    Example:
        >>> allow_words(["my_package", "other.Net", "my_package"])
        ['--allow', 'my_package', 'other.Net']
    """
    return ["--allow", *dict.fromkeys(allowed)] if allowed else []


def page_written(page: Path) -> LastLines:
    """The last lines of a command that wrote a report: its path, and the address of a page for a browser.

    Example:
        >>> page_written(Path("/tmp/my audit/report.html")).hint
        'Open: file:///tmp/my%20audit/report.html'
    """
    return LastLines(f"Report: {page}", f"Open: {page.resolve().as_uri()}" if page.suffix == ".html" else "")


def print_last_lines(last_lines: LastLines) -> None:
    """Print the last lines of a command; only rank 0 does.

    Example:
        >>> print_last_lines(LastLines("Views: views.png"))
        Views: views.png
    """
    if not rank():
        lines = "\n".join(filter(None, last_lines))
        open_console().print(lines, soft_wrap=True, highlight=False, markup=False)
