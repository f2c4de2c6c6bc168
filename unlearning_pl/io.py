"""Atomic writing of files: a file is written completely or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def write_text(path: str | Path, text: str) -> Path:
    """Write text atomically: to a temporary file beside ``path``, which is then renamed.

    A reader never sees a partly written file.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> write_text(Path(folder) / "new" / "a.txt", "text").read_text()
        'text'
    """
    return write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write bytes atomically, like :func:`write_text`.

    Example:
        >>> write_bytes(Path(tempfile.mkdtemp()) / "a", b"content").read_bytes()
        b'content'
    """
    with atomic_write(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces ``path`` when the context ends, and is deleted if an exception is raised.

    The temporary file is in the folder of ``path``: from another file system the last step would be a copy, which can
    leave a partly written file. An OSError names ``path``, and not the temporary file.

    Example:
        >>> target = Path(tempfile.mkdtemp()) / "a"
        >>> with atomic_write(target) as file:
        ...     _ = file.write(b"content"), target.exists()
        >>> target.read_bytes()
        b'content'
    """
    path = Path(path)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())  # without it, a crash of the machine could leave an empty file at path
            os.chmod(temporary, 0o644)  # mkstemp makes the file private; run folders are shared
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


@contextmanager
def named_errors(path: str | Path) -> Iterator[None]:
    """Name ``path`` in an OSError of the context: the system names no file when a write fails.

    Example:
        >>> with named_errors("a.json"):
        ...     raise OSError(28, "No space left on device")
        Traceback (most recent call last):
        ...
        OSError: [Errno 28] No space left on device: 'a.json'
    """
    try:
        yield
    except OSError as error:
        error.filename = str(Path(path))
        if error.filename2 is not None:
            del error.filename2  # the temporary name; None would be shown as a second name
        raise


def write_json(path: str | Path, value: Any) -> Path:
    r"""Write ``value`` as indented JSON, atomically.

    Example:
        >>> write_json(Path(tempfile.mkdtemp()) / "a.json", {"k": 1}).read_text()
        '{\n  "k": 1\n}\n'
    """
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
