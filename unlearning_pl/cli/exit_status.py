"""Exit codes and one-line error messages of the commands."""

import errno
import os
import signal

import torch
from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlearning_pl.cli.parse_errors import find_input_error
from unlearning_pl.distributed.launchers import launched_processes
from unlearning_pl.distributed.slurm import started_by_srun
from unlearning_pl.errors import DivergedError, PreemptedError, StorageError, UnfinishedError, quote

REMEDIES = {
    **dict.fromkeys(("fit", "unlearn"), "Resume a run that has a checkpoint with --ckpt_path auto."),
    **dict.fromkeys(
        ("benchmark", "shadow", "forget"), "Repeat the command: it keeps finished runs and resumes the others."
    ),
    "serve": "Start it again.",
}
"""What a command offers after an interruption; any other command is repeated as a whole."""
COLLECTIVE_ERRORS = (DivergedError, PreemptedError)
"""Errors that all processes of a job agree on and raise together."""

STORAGE = tuple(
    getattr(errno, name)
    for name in (
        *("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "EFBIG", "ENOENT"),
        *("EISDIR", "ENOTDIR", "EMFILE", "ELOOP"),
    )
    if hasattr(errno, name)
)
_STORAGE_REMEDIES = {
    getattr(errno, name): first
    for names, first in (
        (("ENOSPC", "EDQUOT", "EFBIG"), "Free some space. "),
        (("EROFS", "EACCES", "EPERM"), "Change the permissions, or choose another place. "),
    )
    for name in names
    if hasattr(errno, name)
}


def exit_status(error: BaseException, command: str = "") -> tuple[int | None, str]:
    """Return the exit code and the message for an error; no code for an unexpected one, which needs its traceback.

    Args:
        error: The exception that ended the command.
        command: Name of the command, whose remedy the message offers.

    Example:
        >>> exit_status(DivergedError("Expected a finite loss."), "fit")
        (1, 'Expected a finite loss.')
        >>> exit_status(OSError(errno.ENOSPC, "No space left on device", "a.json"), "split")[1]
        'Expected to read and write a.json, got: No space left on device. Free some space. Repeat the command.'
    """
    remedy = REMEDIES.get(command, "Repeat the command.")
    interruption = _interruption_status(error, remedy)
    if interruption is not None:
        return interruption
    if isinstance(error, (DivergedError, UnfinishedError, StorageError)):
        return 1, str(error)
    if "EADDRINUSE" in str(error):
        port = os.environ.get("MASTER_PORT", "one")
        return 1, f"Expected a free port, got {port}, which another program listens on. Set MASTER_PORT to another."
    if _is_connection_loss(error):
        return 1, (
            f"Lost the other processes of the job ({str(error).splitlines()[0]}). One of them ended or did not answer: "
            f"its last message is the cause. {remedy}"
        )
    if isinstance(error, OSError) and error.errno in STORAGE:
        first = _STORAGE_REMEDIES.get(error.errno, "")
        path = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "files"
        return 1, f"Expected to read and write {path}, got: {error.strerror}. {first}{remedy}"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        name = quote(error.filename or "one")
        return 2, f"Expected the path of a file or a folder, got {name}, which is too long. Shorten it."
    if isinstance(error, MisconfigurationException):
        return 2, str(error)
    input_error = find_input_error(error) if isinstance(error, (ValueError, ArgumentError)) else None
    return (None, "") if input_error is None else (2, str(input_error))


def should_report(error: BaseException) -> bool:
    """Whether this process reports an error: rank 0 reports all, other ranks those that may be theirs alone.

    Example:
        >>> should_report(DivergedError())
        True
    """
    if rank() == 0:
        return True
    if isinstance(error, COLLECTIVE_ERRORS):
        return False
    # Before the process group exists, all processes of a launcher fail with the same mistake: local rank 0 reports it,
    # once per node. A mistake of processes that Lightning started is their own: local rank 1 reports it for them.
    launched = torch.distributed.is_torchelastic_launched() or started_by_srun()
    local_rank = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID"))
    return local_rank == ("0" if launched else "1") or torch.distributed.is_initialized()


def exit_code(error: BaseException, code: int) -> int:
    """Return the exit code of this process.

    It is 0 on child processes of Lightning for errors that all processes raise: Lightning kills the main process as
    soon as one of its children fails.

    Example:
        >>> exit_code(DivergedError(), 1)
        1
    """
    return 0 if rank() and isinstance(error, COLLECTIVE_ERRORS) and not launched_processes() else code


def rank() -> int:
    """Rank of this process in the job.

    Example:
        >>> rank()
        0
    """
    return int(getattr(rank_zero_only, "rank", None) or 0)


def _interruption_status(error: BaseException, remedy: str) -> tuple[int, str] | None:
    if isinstance(error, PreemptedError):
        outcome = f" ({error})" if str(error) else ""
        return 128 + error.signal, f"Stopped by {signal.Signals(error.signal).name}{outcome}. {remedy}"
    if isinstance(error, SIGTERMException):
        return 143, f"Stopped by SIGTERM. {remedy}"
    if isinstance(error, KeyboardInterrupt) or isinstance(error.__context__, KeyboardInterrupt):
        return 130, f"Stopped. {remedy}"
    return None


def _is_connection_loss(error: BaseException) -> bool:
    """Whether another process caused the error by ending; gloo's errors have no type of their own."""
    # Without torch.distributed, KeyboardInterrupt stands for no type: exit_status has already handled it.
    dist_error: type[BaseException] = (
        torch.distributed.DistError if torch.distributed.is_available() else KeyboardInterrupt
    )
    return isinstance(error, dist_error) or (isinstance(error, RuntimeError) and "gloo" in str(error).lower())
