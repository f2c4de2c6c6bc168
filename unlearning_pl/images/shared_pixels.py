"""Pixels that all processes of a machine share: one file that each of them maps into its memory.

``$UNLEARNING_PL_CACHE``, else ``~/.cache/unlearning-pl``, has a file for each set of 64 MB or more; its name is a
SHA-256 of all that the pixels were made from. Whoever comes first writes it, the others wait and map it. The layout:

    pixels | JSON: shape, notes | bytes of the JSON, 8 bytes little-endian

A file may be deleted at any time: who has mapped it keeps it until the end.
"""

import ctypes
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

try:
    import fcntl
except ImportError:  # Windows has none: each process has its own pixels there
    fcntl = None  # type: ignore[assignment]

_LEAST = 64 * 2**20  # bytes of pixels for which a file is worth it
_LAYOUT = 1

Made = tuple[npt.NDArray[np.uint8], Any]


def share_pixels(
    made_from: Iterable[Any], size: int, make: Callable[[], Made], lasts: Callable[[], bool] = lambda: True
) -> tuple[Tensor, Any]:
    """Pixels that are made once a machine, and mapped by everybody else.

    Args:
        made_from: All that decides about them: bytes, and whatever has a ``repr`` of its value.
        size: How many bytes of pixels there will be, about; few are made anew in every process.
        make: Makes them, and notes on them that JSON can hold.
        lasts: Tells, once they are made, whether they are for others too, and not for this process alone.

    Returns:
        The pixels, uint8, and the notes. Writing into shared pixels changes them for this process alone.

    Example:
        >>> pixels, notes = share_pixels(["digits", 8], 4, lambda: (np.zeros((2, 2), dtype=np.uint8), ["two rows"]))
        >>> tuple(pixels.shape), notes
        ((2, 2), ['two rows'])
    """
    if size < _LEAST or fcntl is None:
        return _private(make())
    made: Made | None = None
    file = folder() / f"{_name(made_from)}.pixels"
    try:
        with _alone(file):
            found = _mapped(file)
            if found is None:
                made = make()
                if lasts():
                    _write(file, *made)
                    found = _mapped(file)
            if found is not None:
                return found
    except OSError as error:
        rank_zero_warn(
            f"Images cannot be shared between processes in {folder()} ({error.strerror}): each holds its own. "
            "Set UNLEARNING_PL_CACHE to a folder with space that can be written."
        )
    return _private(made or make())  # also where somebody deleted the file at once


def trim_memory() -> None:
    """Return to the machine what this process has freed, of which allocators keep hundreds of MB for later.

    Example:
        >>> trim_memory()
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc
        trim(0)


def folder() -> Path:
    """Where shared pixels lie.

    Example:
        >>> folder().is_absolute() or "UNLEARNING_PL_CACHE" in os.environ
        True
    """
    return Path(os.environ.get("UNLEARNING_PL_CACHE") or "~/.cache/unlearning-pl").expanduser()


def _private(made: Made) -> tuple[Tensor, Any]:
    pixels, notes = made
    return torch.from_numpy(pixels), json.loads(json.dumps(notes))  # notes are the same as from a file


def _name(made_from: Iterable[Any]) -> str:
    digest = hashlib.sha256(str(_LAYOUT).encode())
    for part in made_from:
        data = part if isinstance(part, bytes) else repr(part).encode(errors="surrogateescape")
        digest.update(f"{type(part).__name__} {len(data)} ".encode())
        digest.update(data)
    return digest.hexdigest()


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Keep other processes out that want the same pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "wb") as lock:  # closing it opens the door
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(file: Path, pixels: npt.NDArray[np.uint8], notes: Any) -> None:
    footer = json.dumps({"shape": pixels.shape, "notes": notes}).encode()
    part = file.with_suffix(".part")  # only who holds the lock writes it: one that a killed process left is replaced
    try:
        with open(part, "wb", opener=_for_the_owner) as out:
            out.write(np.ascontiguousarray(pixels).data)
            out.write(footer + len(footer).to_bytes(8, "little"))
            out.flush()
            os.fsync(out.fileno())  # or a power cut could leave the name without the bytes
        os.replace(part, file)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)  # images may be private


def _mapped(file: Path) -> tuple[Tensor, Any] | None:
    """What a file holds; None where there is none, or half of one."""
    try:
        with open(file, "rb") as opened:
            end = opened.seek(0, os.SEEK_END)
            opened.seek(max(0, end - 8))
            length = int.from_bytes(opened.read(8), "little")
            opened.seek(max(0, end - 8 - length))
            footer = json.loads(opened.read(min(length, end)))
        shape = [int(extent) for extent in footer["shape"]]
        notes = footer["notes"]
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    size = int(np.prod(shape))
    if size == 0 or size + length + 8 != end:
        return None
    try:
        # Not shared=True, which wants to write: a private mapping shares every page that nobody writes to.
        return torch.from_file(str(file), shared=False, size=size, dtype=torch.uint8).view(shape), notes
    except RuntimeError:  # deleted since it was read
        return None
