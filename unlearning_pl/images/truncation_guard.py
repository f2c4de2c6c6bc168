"""Files that are mapped into memory and cut by another process: an error in place of the death of this one.

Reading a page beyond the end of a mapped file sends SIGBUS, which kills. No mapping of a file that others share can be
protected against that. The guard replaces the pages of a cut file by zeros, so that the instruction which read them
ends, and raises StorageError in the main thread, before the next instruction of Python.
"""

import ctypes
import mmap
import signal
import threading
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from unlearning_pl.errors import StorageError

_FIXED = 0x10  # MAP_FIXED of Linux and macOS, which the module mmap does not name
_guarded: "WeakKeyDictionary[mmap.mmap, tuple[str, int, int]]" = WeakKeyDictionary()  # file, address, bytes
_cut: list[str] = []  # files of which pages were replaced


class _Handlers(NamedTuple):
    """What the system can call on SIGBUS."""

    guard: Any  # calls _replace_cut_pages at once, in the thread that reads
    python: Any  # notes that the main thread is to call _raise
    before: Any  # what a process without a guard does


_handlers: list[_Handlers] = []  # one, once it is installed


def guard(mapping: mmap.mmap, file: str) -> mmap.mmap:
    """Raise StorageError when this process reads a mapped file that was cut.

    Does nothing on a system without SIGBUS; a process installs the guard when its main thread first maps a file.

    Args:
        mapping: The whole file, private and writable.
        file: Its name in the message.

    Returns:
        ``mapping``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryFile() as file:
        ...     _ = file.write(b"pixels"), file.flush()
        ...     guard(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), "name")[:]
        b'pixels'
    """
    _guarded[mapping] = (file, ctypes.addressof(ctypes.c_char.from_buffer(mapping)), len(mapping))
    if hasattr(signal, "SIGBUS") and not _handlers and threading.current_thread() is threading.main_thread():
        handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_replace_cut_pages)
        before = _set_handler(None)
        signal.signal(signal.SIGBUS, _raise)
        _handlers.append(_Handlers(handler, _set_handler(ctypes.cast(handler, ctypes.c_void_p)), before))
    elif _handlers:
        _set_handler(ctypes.cast(_handlers[0].guard, ctypes.c_void_p))  # other code may have restored Python's own
    return mapping


def _set_handler(handler: Any) -> Any:
    function = ctypes.CDLL(None).signal
    function.argtypes, function.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    return function(signal.SIGBUS, handler)


def _replace_cut_pages(_: int) -> None:
    replace = ctypes.CDLL(None).mmap
    replace.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    flags = _FIXED | mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    cut = [known for mapping, known in list(_guarded.items()) if mapping.size() < known[2]]
    for file, address, size in cut:
        replace(address, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        _cut.append(file)
    # SIGBUS is blocked until this function has returned: an exception raised in here would be lost.
    _set_handler(_handlers[0].python if cut else _handlers[0].before)
    signal.raise_signal(signal.SIGBUS)


def _raise(*_: object) -> None:
    _set_handler(ctypes.cast(_handlers[0].guard, ctypes.c_void_p))
    raise StorageError(
        f"Expected the pixels in {_cut[-1]}, got a file that another program cut while it was read. Start the command "
        "again, which makes it anew."
    )
