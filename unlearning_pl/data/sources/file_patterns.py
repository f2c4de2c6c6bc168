"""Files that a user names by a path, a folder or a glob."""

import glob
from pathlib import Path

from unlearning_pl.errors import require


def find_files(field: str, where: str, pattern: str) -> list[Path]:
    """A file, or all files of ``pattern`` below a folder, or those of a glob; sorted, the same on every platform.

    Hidden files and folders do not count, unless a path names one.

    Args:
        field: The option that named them, for the message.
        where: The path or glob; ``~`` is the home folder.
        pattern: What counts in a folder, such as ``*.tar``.

    Raises:
        InputError: If there is none.

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
    return sorted(files, key=lambda file: file.parts)  # paths of Windows are compared without their capitals


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
