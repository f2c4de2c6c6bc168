"""Find the files of a path, a folder or a glob."""

import glob
from pathlib import Path

from unlearning_pl.errors import require


def find_files(field: str, where: str, pattern: str) -> list[Path]:
    """Find a file, all files of ``pattern`` below a folder, or those of a glob, sorted alike on every platform.

    Hidden files and folders are skipped, unless the path names one.

    Args:
        field: Option that gave the path, for the message.
        where: The path or glob; ``~`` is the home folder.
        pattern: Files to find in a folder, such as ``*.tar``.

    Raises:
        InputError: If there is no such file.

    Example:
        >>> find_files("train", "no/such/folder", "*.tar")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected *.tar files at train='no/such/folder', got none. Give a file, ...
    """
    path = Path(where).expanduser()
    if path.is_dir():
        files = [file for file in path.rglob(pattern) if not _hidden(file.relative_to(path))]
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


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
