"""Pixels that all processes of a machine share: one file that each of them maps into its memory.

``$UNLEARNING_PL_CACHE``, else ``~/.cache/unlearning-pl``, has a file for each set of 64 MB or more; its name is the
SHA-256 of everything that determines the pixels. The first process writes the file, the others wait and map it. Layout:

    one line of JSON: shape, notes | pixels

A file may be deleted at any time: a process that has mapped it keeps its pixels.
"""

import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from filelock import FileLock
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

_LEAST = 64 * 2**20  # bytes of pixels for which a file is worth it
_LAYOUT = 2

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
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.with_suffix(".lock")):  # the system releases it if this process dies
            shared = _map(file)
            if shared is None:
                made = make()
                if lasts():
                    _write(file, *made)
                    shared = _map(file)
            if shared is not None:
                return shared
    except OSError as error:
        rank_zero_warn(
            f"Images cannot be shared between processes in {cache_folder()} ({error.strerror}): each holds its own. "
            "Set UNLEARNING_PL_CACHE to a writable folder with free space."
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


def _write(file: Path, pixels: npt.NDArray[np.uint8], notes: Any) -> None:
    part = file.with_suffix(".part")  # only the holder of the lock writes it, over the rest that a killed process left
    try:
        with open(part, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:  # images may be private
            out.write(json.dumps({"shape": pixels.shape, "notes": notes}).encode() + b"\n")
            out.write(np.ascontiguousarray(pixels).data)
            out.flush()
            os.fsync(out.fileno())  # or a power cut could leave the name without the bytes
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _map(file: Path) -> tuple[Tensor, Any] | None:
    """Map a file into memory; None if it is absent or damaged."""
    try:
        with open(file, "rb") as opened:
            header = json.loads(opened.readline())
            # Copy on write: processes share every page that none of them writes to.
            pixels = np.memmap(opened, np.uint8, "c", opened.tell(), tuple(header["shape"]))
            whole = pixels.offset + pixels.nbytes == os.fstat(opened.fileno()).st_size
            return (torch.from_numpy(pixels), header["notes"]) if whole else None
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
