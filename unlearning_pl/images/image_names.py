"""Which files are images, which look like images, and which belong to the system."""

from unlearning_pl.images.image_formats import image_suffixes, unread_suffixes

_FIRST_BYTES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"II*\0", b"MM\0*")
_SYSTEM = frozenset(("__MACOSX", "@eaDir", "lost+found", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN"))
HEAD_BYTES = 16
"""Bytes at the start of a file by which :func:`looks_like_image` recognises a format."""


def file_suffix(name: str) -> str:
    """The suffix of a file name in small letters, with its dot; empty if the name has no dot.

    Example:
        >>> file_suffix("cat/A.b.PNG"), file_suffix(".png"), file_suffix("cat.d/a")
        ('.png', '.png', '')
    """
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return (dot + suffix).lower() if dot else ""


def is_image(name: str) -> bool:
    """Whether a file has the suffix of a format that is read.

    Example:
        >>> is_image("cat/A.JPG"), is_image("notes.txt"), is_image("jpg")
        (True, False, False)
    """
    return file_suffix(name) in image_suffixes()


def looks_like_image(name: str, head: bytes) -> bool:
    """Whether a file seems to be an image, by its suffix, also of a format that is not read, or by its first bytes.

    Example:
        >>> looks_like_image("a.heic", b""), looks_like_image("photo", b"GIF89a"), looks_like_image("a.txt", b"text")
        (True, True, False)
    """
    suffix = file_suffix(name)
    return (
        suffix in image_suffixes()
        or suffix in unread_suffixes()
        or head.startswith(_FIRST_BYTES)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
    )


def is_system_name(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a system adds beside images, such as thumbnails.

    Example:
        >>> [is_system_name(name) for name in ("__MACOSX", "@eaDir", ".ipynb_checkpoints", "cat")]
        [True, True, True, False]
    """
    return name.startswith(".") or name in _SYSTEM
