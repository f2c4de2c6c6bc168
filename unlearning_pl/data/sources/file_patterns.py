"""Find the files of a path, a folder or a glob."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from unlearning_pl.errors import require
from unlearning_pl.images.image_names import is_system_name

_COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip")


def find_files(field: str, where: str, pattern: str) -> list[Path]:
    """Find a file, all files with a suffix below a folder, or those of a glob, sorted alike on every platform.

    Below a folder, capitals and small letters of the suffix are the same, and hidden files and those of the system
    are skipped.

    Args:
        field: Option that gave the path, for the message.
        where: The path or glob; ``~`` is the home folder.
        pattern: Files to find in a folder, by their suffix: ``*.tar``.

    Raises:
        InputError: If there is no such file, or a folder has compressed ones too, which are not read.

    Example:
        >>> find_files("train", "no/such/folder", "*.tar")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected *.tar files at train='no/such/folder', got none. Give a file, ...
    """
    path, suffix = Path(where).expanduser(), pattern.removeprefix("*")
    if path.is_dir():
        seen = [name for name, entry in walk_files(path) if entry is not None]
        files = [path / name for name in seen if name.lower().endswith(suffix)]
        endings = (*(suffix + end for end in _COMPRESSED), *((".tgz",) if suffix == ".tar" else ()))
        packed = [name for name in seen if name.lower().endswith(endings)]
        require(
            not packed,
            f"Expected {pattern} files at {field}={where!r} that are not compressed, got {', '.join(packed[:3])}. "
            "Unpack or move them, or give a glob.",
        )
    elif path.is_file():
        files = [path]
    else:
        files = [Path(name) for name in glob.glob(str(path), recursive=True)]
    require(
        bool(files),
        f"Expected {pattern} files at {field}={where!r}, got none. "
        f"Give a file, a folder with {pattern} in it, or a glob, relative to the working directory.",
    )
    return sorted(files, key=lambda file: file.parts)  # Windows compares paths without regard to case


def walk_files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """All files below a folder, by their paths in it; links to folders are followed, except to one above.

    Yields:
        The path, with slashes, and the entry; None in its place if a name of the path is hidden or of the system.

    Raises:
        InputError: If a folder cannot be read.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "a.tar").write_bytes(b""), (folder / ".b").write_bytes(b"")
        >>> sorted((name, entry is None) for name, entry in walk_files(folder))
        [('.b', True), ('a.tar', False)]
    """
    waiting: list[tuple[str, str, frozenset[tuple[int, int]], bool]] = [(str(folder), "", frozenset(), False)]
    while waiting:
        path, prefix, above, ignored = waiting.pop()
        folder_id, entries = _scan(path, ignored)
        for entry in entries if folder_id not in above else ():
            hidden = ignored or is_system_name(entry.name)
            if entry.is_dir():
                waiting.append((entry.path, f"{prefix}{entry.name}/", above | {folder_id}, hidden))
            else:
                yield prefix + entry.name, None if hidden else entry


def _scan(folder: str, ignored: bool) -> tuple[tuple[int, int], list[os.DirEntry[str]]]:
    """Device and inode of a folder, and what is in it; nothing of an ignored folder that cannot be read."""
    try:
        status = os.stat(folder)
        with os.scandir(folder) as entries:
            return (status.st_dev, status.st_ino), list(entries)
    except OSError as error:
        require(
            ignored,  # such as lost+found, which only root can read
            f"Expected folders that can be read, got {folder} ({error.strerror}). Change its rights.",
        )
        return (-1, -1), []
