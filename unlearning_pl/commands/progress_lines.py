"""Progress of a command that takes minutes, on standard error."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from typing_extensions import override

from unlearning_pl.cli.exit_status import rank
from unlearning_pl.errors import printable

_SECONDS = 30.0
"""Seconds without a line after which a log file gets one on the progress of a loop."""
_CLEAR = "\r\x1b[2K"


@contextmanager
def progress_lines() -> Iterator[None]:
    """Context manager that writes the package's log messages of level INFO to standard error, with the time.

    Standard output has the result alone, so that it can be piped. A stage of the command gets a whole line. The
    progress of a loop (:class:`~unlearning_pl.training.progress_log.Progress`) is refreshed in place on a terminal; a
    file, such as the log of a batch job, gets a line where it had none for 30 seconds. Only rank 0 writes. Commands
    that run other commands may nest it.
    """
    logger = logging.getLogger("unlearning_pl")
    if rank() or any(isinstance(handler, _ProgressHandler) for handler in logger.handlers):
        yield
        return
    level, handler = logger.level, _ProgressHandler(sys.stderr)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        handler.clear()


class _ProgressHandler(logging.StreamHandler[TextIO]):
    """Writes a record as one line, in which control characters are escapes: it may have the name of a folder."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        self._written, self._in_place = time.monotonic(), False

    @override
    def emit(self, record: logging.LogRecord) -> None:
        transient, now = getattr(record, "transient", False), time.monotonic()
        on_terminal = self.stream.isatty()
        if transient and not on_terminal and now - self._written < _SECONDS:
            return
        self.clear()
        if transient and on_terminal and getattr(record, "is_last", False):
            return  # what is printed next has a line of its own
        self._written, self._in_place = now, transient and on_terminal
        line = printable(self.format(record))
        if self._in_place:
            self.stream.write(line[: shutil.get_terminal_size().columns - 1])
        else:
            self.stream.write(f"{line}\n")
        self.flush()

    def clear(self) -> None:
        """Remove the progress of a loop from a terminal."""
        if self._in_place:
            self.stream.write(_CLEAR)
            self._in_place = False
            self.flush()
