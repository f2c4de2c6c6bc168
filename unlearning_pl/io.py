"""Files that are written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


def write_text(path: str | Path, text: str) -> Path:
    """Write ``text`` to a temporary file beside ``path`` and rename it, so that no reader meets half a file.

    Example:
        >>> folder = tempfile.mkdtemp()
        >>> write_text(Path(folder) / "new" / "a.txt", "whole").read_text()
        'whole'
    """
    return write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write ``content`` like :func:`write_text`.

    Example:
        >>> write_bytes(Path(tempfile.mkdtemp()) / "a", b"whole").read_bytes()
        b'whole'
    """
    with atomic_write(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` if all goes well, and is gone if not.

    It lies beside ``path``: from another file system the last step would be a copy, of which half may be left.

    Example:
        >>> target = Path(tempfile.mkdtemp()) / "a"
        >>> with atomic_write(target) as file:
        ...     _ = file.write(b"whole"), target.exists()
        >>> target.read_bytes()
        b'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a crash of the machine could leave the new name on an empty file
        os.chmod(temporary, 0o644)  # mkstemp makes it private; a run folder is shared
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: str | Path, value: Any) -> Path:
    r"""Write ``value`` as indented JSON, whole or not at all.

    Example:
        >>> write_json(Path(tempfile.mkdtemp()) / "a.json", {"k": 1}).read_text()
        '{\n  "k": 1\n}\n'
    """
    return write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
