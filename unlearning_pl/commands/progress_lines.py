"""Progress of a command that takes minutes: a line for each stage on standard error."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from unlearning_pl.cli.exit_status import rank
from unlearning_pl.errors import printable


@contextmanager
def progress_lines() -> Iterator[None]:
    """Context manager that writes the package's log messages of level INFO to standard error, with the time.

    Standard output has the result alone, so that it can be piped. Lines are whole, in a terminal as in the log of a
    batch job, where a bar would fill it. Only rank 0 writes them.
    """
    logger = logging.getLogger("unlearning_pl")
    level, handler = logger.level, logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    if rank() == 0:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _LineFormatter(logging.Formatter):
    """Formats a message as one line, whose control characters are escapes: it may have the name of a folder."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))
