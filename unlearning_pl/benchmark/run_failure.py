"""Failures of runs: the reason of an exception, and the file that keeps it beside the run folder."""

import traceback
from pathlib import Path

from unlearning_pl.cli.exit_status import exit_status
from unlearning_pl.errors import error_line, reason
from unlearning_pl.io import write_text


def describe_failure(error: Exception, command: str) -> tuple[str, str]:
    """Return the reason of a failure in one line, and the traceback of an unexpected error.

    Args:
        error: The exception that ended the run.
        command: Name of its command.

    Raises:
        Exception: The error itself, if it is an interruption: a signal, or Ctrl-C.

    Example:
        >>> from unlearning_pl.errors import InputError
        >>> describe_failure(InputError("Expected a rate > 0, got -1."), "fit")
        ('Expected a rate > 0, got -1.', '')
        >>> describe_failure(KeyError("lr"), "fit")[0]
        "KeyError: 'lr'."
    """
    code, message = exit_status(error, command)
    if code is None:
        return error_line(f"{type(error).__name__}: {reason(error)}."), "".join(traceback.format_exception(error))
    if code >= 128:
        raise error
    return error_line(message), ""


class FailureFile:
    """``NAME.failure.txt`` beside a run folder: the reason in its first line, then the traceback if there is one.

    Args:
        path: The file.

    Attributes:
        earlier: What the file was when this object was made: a failure of an earlier command, which does not count.

    Example:
        >>> import tempfile
        >>> file = FailureFile(Path(tempfile.mkdtemp()) / "scrub.failure.txt")
        >>> file.write("KeyError: 'lr'.", "Traceback ...")
        >>> file.read(), file.read_new(), FailureFile(file.path).read_new()
        ("KeyError: 'lr'.", "KeyError: 'lr'.", None)
    """

    def __init__(self, path: Path) -> None:
        self.path, self.earlier = path, _stamp(path)

    def write(self, why: str, details: str = "") -> None:
        """Write a failure."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.path, f"{why}\n\n{details}" if details else f"{why}\n")

    def read(self) -> str | None:
        """The reason; None if the run did not fail."""
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").split("\n")[0]
        except FileNotFoundError:
            return None

    def read_new(self) -> str | None:
        """The reason of a failure since this object was made, by any process; None if there is none."""
        return None if _stamp(self.path) == self.earlier else self.read()

    def remove(self) -> None:
        """Remove the file, since the run is made again or finished."""
        self.path.unlink(missing_ok=True)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino
