"""Pixels that all processes of a machine share: one file that each of them maps into its memory.

``$UNLEARNING_PL_CACHE``, else ``~/.cache/unlearning-pl``, has a file for each set of 64 MB or more; its name is the
SHA-256 of everything that determines the pixels. The first process writes the file, the others wait and map it. Layout:

    CRC-32 of the rest, 8 hexadecimal digits | one line of JSON: shape, notes | pixels

A file may be deleted at any time: a process that has mapped it keeps its pixels.

What lies there is not trusted. The folder and each file must belong to this user or root, nobody else may write in
them, and no symbolic link is followed, so that other users can neither plant pixels nor have a file of this user
overwritten. The checksum, compared whenever a process maps a file (2 GB/s), finds accidents: a failing disk, an
interrupted copy, the write of another program. It does not stop this user, or root, from forging a file. A file that
is cut while it is mapped raises StorageError (:mod:`~unlearning_pl.images.truncation_guard`); one that is overwritten
while it is mapped goes unnoticed until a process maps it anew.
"""

import ctypes
import hashlib
import json
import mmap
import os
import stat
import sys
import warnings
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from filelock import FileLock
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from unlearning_pl.images.truncation_guard import guard

_LEAST = 64 * 2**20  # bytes of pixels for which a file is worth it
_LAYOUT = 3
_BLOCK = 2**22  # bytes that are checked at a time
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

PixelsAndNotes = tuple[npt.NDArray[np.uint8], Any]


def share_pixels(
    made_from: Iterable[Any], size: int, make: Callable[[], PixelsAndNotes], lasts: Callable[[], bool] = lambda: True
) -> tuple[Tensor, Any]:
    """Make pixels once per machine and map them in every process.

    Args:
        made_from: Everything that determines the pixels: bytes, and objects whose ``repr`` shows their value.
        size: Approximate number of bytes of the pixels; below 64 MB every process makes its own.
        make: Returns the pixels, and notes on them that JSON can represent.
        lasts: Whether other processes may use the pixels too; called after ``make``.

    Returns:
        The pixels, uint8, and the notes. Writing into shared pixels changes them for this process alone.

    Example:
        >>> pixels, notes = share_pixels(["digits", 8], 4, lambda: (np.zeros((2, 2), dtype=np.uint8), ["two rows"]))
        >>> tuple(pixels.shape), notes
        ((2, 2), ['two rows'])
    """
    if size < _LEAST:
        return _as_tensor(make())
    made: PixelsAndNotes | None = None
    file = cache_folder() / f"{_digest(made_from)}.pixels"
    try:
        _make_folder(file.parent)
        shared = _map(file)
        if shared is not None:
            return shared
        with FileLock(file.with_suffix(".lock"), mode=0o600):  # the system releases it if this process dies
            shared = _map(file, warn=True)  # another process may have made it, or a damaged one anew
            if shared is None:
                made = make()
                if lasts():
                    _write(file, *made)
                    shared = _map(file, check=False)
            if shared is not None:
                return shared
    except OSError as error:
        rank_zero_warn(
            f"Images cannot be shared between processes in {cache_folder()} ({error.strerror}): each holds its own. "
            "Set UNLEARNING_PL_CACHE to a folder of your own, with free space, and run chmod go-w on it."
        )
    return _as_tensor(made or make())  # also if another process deleted the file at once


def trim_memory() -> None:
    """Return freed memory to the system; allocators keep hundreds of MB of it for later.

    Example:
        >>> trim_memory()
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc
        trim(0)


def cache_folder() -> Path:
    """Folder of the shared pixels.

    Example:
        >>> cache_folder().is_absolute() or "UNLEARNING_PL_CACHE" in os.environ
        True
    """
    return Path(os.environ.get("UNLEARNING_PL_CACHE") or "~/.cache/unlearning-pl").expanduser()


def _as_tensor(made: PixelsAndNotes) -> tuple[Tensor, Any]:
    pixels, notes = made
    return torch.from_numpy(pixels), json.loads(json.dumps(notes))  # as if read from a file


def _digest(made_from: Iterable[Any]) -> str:
    digest = hashlib.sha256(str(_LAYOUT).encode())
    for part in made_from:
        data = part if isinstance(part, bytes) else repr(part).encode(errors="surrogateescape")
        digest.update(f"{type(part).__name__} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()


def _make_folder(folder: Path) -> None:
    """Create the folder for this user alone, or check that no other user can write in it.

    Raises:
        OSError: If it cannot be created or trusted.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.stat()
    if hasattr(os, "geteuid") and status.st_uid == os.geteuid() and not os.environ.get("UNLEARNING_PL_CACHE"):
        folder.chmod(status.st_mode & ~(stat.S_IWGRP | stat.S_IWOTH))  # version 0.1 created it with the umask's mode
        status = folder.stat()
    reason = _distrust(status)
    if reason:
        raise OSError(0, f"the folder {reason}")


def _distrust(status: os.stat_result) -> str:
    """Why a file or folder may have been made or changed by another user; empty if it cannot."""
    if not hasattr(os, "geteuid"):  # Windows has no owners of this kind
        return ""
    if status.st_uid not in (os.geteuid(), 0):
        return f"belongs to user {status.st_uid}"
    return "can be written by other users" if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) else ""


def _write(file: Path, pixels: npt.NDArray[np.uint8], notes: Any) -> None:
    part = file.with_suffix(".part")  # only the holder of the lock writes it, in place of what a killed process left
    part.unlink(missing_ok=True)
    header, content = json.dumps({"shape": pixels.shape, "notes": notes}).encode() + b"\n", np.ascontiguousarray(pixels)
    checksum = zlib.crc32(content.data, zlib.crc32(header))
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
    try:
        with open(os.open(part, flags, 0o600), "wb") as out:  # images may be private
            out.write(f"{checksum:08x}".encode() + header)
            out.write(content.data)
            out.flush()
            os.fsync(out.fileno())  # or a power cut could leave the name without the bytes
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _map(file: Path, warn: bool = False, check: bool = True) -> tuple[Tensor, Any] | None:
    """Map a file into memory; None if it is absent, damaged or not trusted, of which the last two may warn."""
    try:
        with open(os.open(file, os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0)), "rb") as opened:
            return _map_trusted(opened, file, check)
    except FileNotFoundError:
        return None
    except OSError as error:
        reason = "is a symbolic link" if file.is_symlink() else str(error.strerror)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        reason = "is damaged"
    if warn:
        warnings.warn(f"The file of shared pixels {file} {reason}: it is made anew.", stacklevel=2)
    return None


def _map_trusted(opened: BinaryIO, file: Path, check: bool) -> tuple[Tensor, Any]:
    """Map an open file; raises OSError if it is not trusted, and ValueError, TypeError or KeyError if it is damaged."""
    status = os.fstat(opened.fileno())
    reason = _distrust(status) or ("" if stat.S_ISREG(status.st_mode) else "is no file")
    if reason:
        raise OSError(0, reason)
    checksum, header = int(opened.read(8), 16), opened.readline()
    start, fields = opened.tell(), json.loads(header)
    count = int(np.prod(shape := tuple(fields["shape"])))
    if start + count != status.st_size or (check and _checksum(opened, zlib.crc32(header)) != checksum):
        raise ValueError
    # Copy on write: processes share every page that none of them writes to.
    mapping = guard(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY), str(file))
    pixels = np.frombuffer(mapping, np.uint8, count, start).reshape(shape)
    return torch.from_numpy(pixels), fields["notes"]


def _checksum(opened: BinaryIO, checksum: int) -> int:
    """CRC-32 of the rest of a file, in blocks: the pages of a mapping would count as memory of this process."""
    while block := opened.read(_BLOCK):
        checksum = zlib.crc32(block, checksum)
    return checksum
