"""What an error means to whoever started a command: an exit code and one line."""

import errno
import os
import signal

import torch
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlearning_pl.cli.parse_errors import find_input_error
from unlearning_pl.distributed.launchers import launched_processes, started_by_srun
from unlearning_pl.errors import DivergedError, PreemptedError, StorageError, UnfinishedError

RESUME = "A run with a checkpoint goes on with --ckpt_path auto; benchmark and shadow go on with the same command."
TOGETHER = (DivergedError, PreemptedError)
"""What all processes of a job agree to end by."""

STORAGE = tuple(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "EFBIG", "ENOENT")
    if hasattr(errno, name)
)


def exit_status(error: BaseException) -> tuple[int | None, str]:
    """Exit code and line for an error; no code for one that nobody foresaw, whose traceback is wanted.

    Example:
        >>> exit_status(DivergedError("Expected a finite loss."))
        (1, 'Expected a finite loss.')
    """
    stopped = _stopped(error)
    if stopped is not None:
        return stopped
    if isinstance(error, (DivergedError, UnfinishedError, StorageError)):
        return 1, str(error)
    if "EADDRINUSE" in str(error):
        port = os.environ.get("MASTER_PORT", "one")
        return 1, f"Expected a free port, got {port}, which another program listens at. Set MASTER_PORT to another."
    if _lost(error):
        return 1, (
            f"Lost the other processes of the job ({str(error).splitlines()[0]}). One of them ended or did not answer: "
            f"what it said last is the cause. {RESUME}"
        )
    if isinstance(error, OSError) and error.errno in STORAGE:
        return 1, f"Expected to read and write {error.filename or 'files'}, got: {error.strerror}. {RESUME}"
    if isinstance(error, MisconfigurationException):
        return 2, str(error)
    mistake = find_input_error(error) if isinstance(error, (ValueError, ArgumentError)) else None
    return (None, "") if mistake is None else (2, str(mistake))


def should_report(error: BaseException) -> bool:
    """Whether this process is to say so: rank 0, and any other for what may have happened to it alone.

    Example:
        >>> should_report(DivergedError())
        True
    """
    if rank() == 0:
        return True
    if isinstance(error, TOGETHER):
        return False
    # Before the processes know one another, a mistake in the command is each one's: once a node is enough. That of a
    # process which rank 0 has started is its own.
    alike = torch.distributed.is_torchelastic_launched() or started_by_srun()
    first = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID")) == ("0" if alike else "1")
    return first or torch.distributed.is_initialized()


def exit_code(error: BaseException, code: int) -> int:
    """The exit code of this process: Lightning kills the one that started the others if one of those fails.

    Example:
        >>> exit_code(DivergedError(), 1)
        1
    """
    return 0 if rank() and isinstance(error, TOGETHER) and not launched_processes() else code


def rank() -> int:
    """Which process of the job this is.

    Example:
        >>> rank()
        0
    """
    return int(getattr(rank_zero_only, "rank", None) or 0)


def _stopped(error: BaseException) -> tuple[int, str] | None:
    if isinstance(error, PreemptedError):
        outcome = f" ({error})" if str(error) else ""
        return 128 + error.signal, f"Stopped by {signal.Signals(error.signal).name}{outcome}. {RESUME}"
    if isinstance(error, SIGTERMException):
        return 143, f"Stopped by SIGTERM. {RESUME}"
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        return 130, f"Stopped. {RESUME}"
    return None


def _lost(error: BaseException) -> bool:
    """Whether it comes of another process that is gone; gloo's errors have no type of their own."""
    known: type[BaseException] = torch.distributed.DistError if torch.distributed.is_available() else KeyboardInterrupt
    return isinstance(error, known) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())
