"""Errors and warnings of the commands, in which the names of files, classes and images steer no terminal."""

import logging
import sys
import traceback
import warnings
from collections.abc import Callable
from types import TracebackType

from unlearning_pl.errors import error_line, printable

_KEEP = "\n\t"


def print_error(message: str, rank: int = 0) -> None:
    """Print an error message to standard error, as one line.

    Args:
        message: The message.
        rank: The process, which is named unless it is 0.
    """
    prefix = f"rank {rank}: " if rank else ""
    sys.stderr.write(f"unlearning-pl: error: {prefix}{error_line(message)}\n")


def make_printable() -> None:
    r"""Show control characters in warnings, log messages and tracebacks as escapes.

    Call it when Lightning is imported, which replaces the format of warnings.

    Example:
        >>> with warnings.catch_warnings(record=True):
        ...     make_printable()
        ...     make_printable()
        >>> warnings.formatwarning("a\x1b[2J", UserWarning, "file.py", 3).endswith("a\\x1b[2J\n")
        True
    """
    if not isinstance(warnings.formatwarning, _PrintableFormat):
        warnings.formatwarning = _PrintableFormat(warnings.formatwarning)
    for name in ("lightning", "lightning.fabric", "lightning.pytorch"):
        for handler in logging.getLogger(name).handlers:
            handler.addFilter(_make_record_printable)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_traceback
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8


class _PrintableFormat:
    """Format of a warning, with escapes."""

    def __init__(self, formatted: Callable[..., str]) -> None:
        self.formatted = formatted

    def __call__(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        text = printable(message, keep=_KEEP)
        return printable(self.formatted(text, category, filename, lineno, line), keep=_KEEP)


def _make_record_printable(record: logging.LogRecord) -> bool:
    record.msg, record.args = printable(record.getMessage(), keep=_KEEP), ()
    return True


def _print_traceback(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, where)), keep=_KEEP))
