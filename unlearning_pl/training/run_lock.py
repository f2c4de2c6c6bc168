"""Lock on a run folder: one process writes it, and a second command is refused before anything changes."""

import os
import socket
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from unlearning_pl.errors import InputError, StorageError, require

LOCK = ".run.lock"
"""Lock file in the folder that it protects: it moves with the folder, whose parent may be read-only.

It holds the process id and the host of the writer, one a line, and is removed when the writer ends. A killed writer
leaves it behind, without effect: the system releases the lock itself.
"""
_WAIT = 3.0
"""Seconds to wait for a writer that is about to end: SLURM may requeue a job while its old processes still exit."""
_PROBE = 0.5
"""Seconds to wait for other readers, which hold the lock of a killed process for an instant to see that it is free."""


@contextmanager
def lock_folder(folder: Path | None, option: str = "--run") -> Iterator[None]:
    """Hold the lock on a folder; without effect if the folder is None.

    The context creates the folder if necessary, and leaves it as it was: the lock file, and created folders that are
    still empty, are removed. On a file system without locks, the context warns and holds none. A folder that is not
    writable needs no lock; the error is left to the first write.

    Args:
        folder: The folder of a run, or of the runs of a benchmark or of shadow models.
        option: The option that chooses the folder, for the message.

    Raises:
        InputError: If another process holds the lock.

    Example:
        >>> import tempfile
        >>> with lock_folder(folder := Path(tempfile.mkdtemp()) / "run"):
        ...     writing_process(folder).startswith(f"process {os.getpid()} on ")
        True
        >>> folder.exists()
        False
    """
    if folder is None:
        yield
        return
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    lock: BaseFileLock | None = None
    try:
        lock = _acquire_folder(folder, option)
        yield
    finally:
        if lock is not None:
            _release(lock, folder / LOCK)
        for path in created:
            with suppress(OSError):  # it has files now
                path.rmdir()


def try_lock(path: Path) -> Callable[[], None] | None:
    """Take the lock of a file without waiting; creates the folder of the file, which stays.

    Args:
        path: The lock file.

    Returns:
        A function that releases the lock and removes the file; None if another process holds the lock.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.lock"
        >>> release = try_lock(path)
        >>> try_lock(path) is None, release(), path.exists()
        (True, None, False)
    """
    try:
        lock = _acquire(path, 0)
    except Timeout:
        return None
    return (lambda: None) if lock is None else partial(_release, lock, path)


def writing_process(folder: str | Path) -> str | None:
    """Describe the process that writes a folder now; None if there is none.

    Example:
        >>> writing_process("nowhere") is None
        True
    """
    path = Path(folder) / LOCK
    if not path.is_file():
        return None
    try:
        with FileLock(path, timeout=_PROBE):
            return None  # left by a killed process
    except Timeout:
        return lock_owner(path)
    except OSError:  # another user's file, or a read-only file system
        return lock_owner(path) if _is_held(path) else None


def _is_held(path: Path) -> bool:
    """Whether a process holds a lock file that this process may only read."""
    try:
        import fcntl  # not on Windows

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False


def require_not_training(run: str | Path) -> None:
    """Check that no process trains a run now, whose weights and files would change while they are read.

    Raises:
        InputError: If a process holds the lock on the run folder.

    Example:
        >>> require_not_training("nowhere")
    """
    owner = writing_process(run)
    require(
        owner is None,
        f"Expected a finished run, got {run}, which still trains ({owner}). Wait until it ends, or give another run.",
    )


def check_writer(folder: Path) -> None:
    """Check that a folder is still the one that this process locked.

    Raises:
        StorageError: If the folder was removed and another process has created it again.

    Example:
        >>> check_writer(Path("nowhere"))
    """
    with suppress(OSError):
        owner = (folder / LOCK).read_text(encoding="utf-8")
        if owner and owner != _own_identity():
            raise StorageError(
                f"Expected {folder} to be this run's, but it was removed, and {lock_owner(folder / LOCK)} writes "
                "another run there. Train again with another --run."
            )


def _acquire_folder(folder: Path, option: str) -> BaseFileLock | None:
    try:
        return _acquire(folder / LOCK, _WAIT)
    except Timeout as error:
        raise InputError(
            f"Expected a folder that no other process writes, got {folder}, which {lock_owner(folder / LOCK)} writes "
            f"now. Wait until it ends, or choose another {option}."
        ) from error


def _acquire(path: Path, seconds: float) -> BaseFileLock | None:
    folder, lock = path.parent, FileLock(path, timeout=seconds)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        if folder.is_dir() and os.access(folder, os.W_OK):
            warnings.warn(
                f"{folder} cannot be locked ({error.strerror}): nothing keeps two commands from writing it at a time.",
                stacklevel=5,
            )
        return None
    if not isinstance(lock, SoftFileLock):  # which filelock chooses where the system has no locks, with a warning
        with suppress(OSError):  # a full disk: the lock holds without its description
            path.write_text(_own_identity(), encoding="utf-8")
    return lock


def _release(lock: BaseFileLock, path: Path) -> None:
    with suppress(OSError):  # the folder was removed; Windows removes no open file
        if path.read_text(encoding="utf-8") in ("", _own_identity()):
            path.unlink()  # before the release: a process that waits notices that its file has no name any more
    lock.release()


def _own_identity() -> str:
    return f"{os.getpid()}\n{socket.gethostname()}\n"


def lock_owner(path: Path) -> str:
    """Describe the process that took a lock, from its file.

    Example:
        >>> lock_owner(Path("nowhere"))
        'another process'
    """
    try:
        number, host, *_ = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return "another process"
    return f"process {number} on {host}"
