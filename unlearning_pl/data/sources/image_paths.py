"""Paths of images as tables write them, and the files that they mean."""

import os
import stat
from collections import defaultdict
from pathlib import Path, PurePath

from unlearning_pl.errors import require
from unlearning_pl.unicode_names import normalize_name, normalize_path


class ImagePaths:
    r"""Look up image files by path, as a table on any system writes it.

    A path is relative to ``folder`` or absolute. It means the file of exactly that name if there is one; otherwise
    backslashes separate folders, surrounding spaces do not count, and the composed and the decomposed Unicode form of
    a name are the same.

    Args:
        folder: Folder that paths are relative to.

    Example:
        >>> paths = ImagePaths("images")
        >>> paths.id_of(" .\\cat\\a.png"), paths.file_of("cat/a.png")
        ('cat/a.png', 'images/cat/a.png')
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = str(folder)
        self._known: dict[str, dict[str, list[str]]] = {}  # names in each folder, by their composed form

    def id_of(self, path: str) -> str:
        """The path as the id of an image has it: normalised, unless a file has that very name."""
        unusual = os.sep == "/" and ("\\" in path or path != path.strip()) and "\0" not in path
        if unusual and os.path.lexists(os.path.join(self.folder, path)):
            return normalize_name(os.path.normpath(path))
        return normalize_path(path)

    def file_of(self, name: str) -> str:
        """The file of an id: the one whose path has the same composed form.

        Raises:
            InputError: If two files differ only in their Unicode form.
        """
        path = os.path.normpath(os.path.join(self.folder, name))
        if "\0" in name or (name.isascii() and os.path.lexists(path)):
            return path
        path = PurePath(name).anchor or self.folder
        for part in PurePath(name).parts[bool(PurePath(name).anchor) :]:
            found = self._entries(path).get(part, [part])
            require(
                len(found) == 1,
                f"Expected names that differ in more than their Unicode form, got {part} {len(found)} times in {path}. "
                "Rename one.",
            )
            path = os.path.join(path, found[0])
        return os.path.normpath(path)

    def _entries(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._known:
            entries = self._known[folder] = defaultdict(list)
            for name in os.listdir(folder) if os.access(folder, os.R_OK) and os.path.isdir(folder) else ():
                entries[normalize_name(name)].append(name)
        return self._known[folder]


def fault_of_file(path: str) -> str:
    r"""Why a path cannot be the file of an image, empty if it can: reading a pipe would wait for ever.

    Example:
        >>> fault_of_file("a.png"), fault_of_file("a\0.png")
        ('', 'no file can have this name')
    """
    try:
        mode = os.stat(path).st_mode
    except ValueError:
        return "no file can have this name"
    except OSError:
        return ""  # decoding tells why
    return "" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "it is no regular file"
