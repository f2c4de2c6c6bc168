"""One form for names of classes, ids and paths, however a system or a program writes them."""

import posixpath
import unicodedata


def normalize_name(name: str) -> str:
    r"""The composed Unicode form (NFC) of a name: macOS decomposes letters with accents, keyboards compose them.

    Example:
        >>> normalize_name("e\u0301") == "\u00e9"
        True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def normalize_path(path: str) -> str:
    r"""A path as ids have it: composed, without surrounding spaces, with slashes, without ``.`` and ``..``.

    Example:
        >>> normalize_path(" .\\cat\\a.png ")
        'cat/a.png'
    """
    return posixpath.normpath(normalize_name(path.strip()).replace("\\", "/"))
