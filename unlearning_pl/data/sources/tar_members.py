"""Files in a tar of WebDataset: their keys, kinds and positions."""

import tarfile
from pathlib import Path
from typing import BinaryIO, NamedTuple

from unlearning_pl.errors import InputError, require
from unlearning_pl.images.image_names import is_system_name
from unlearning_pl.unicode_names import normalize_name

_END_BLOCK = bytes(tarfile.BLOCKSIZE)  # of zeros: a tar ends with it
_CHUNK = 2**20


class Member(NamedTuple):
    """A file of a shard.

    Attributes:
        key: Path up to the first dot of the file name, composed, with slashes.
        kind: What follows that dot, in small letters: ``jpg``, or ``seg.png``.
        shard: The shard.
        offset: Position of its first byte.
        size: Number of bytes.
        system: Whether it is hidden or of the system.
    """

    key: str
    kind: str
    shard: Path
    offset: int
    size: int
    system: bool

    @property
    def name(self) -> str:
        """Name of the file, for messages."""
        return f"{self.key}.{self.kind}" if self.kind else self.key


def list_members(shard: Path, file: BinaryIO) -> list[Member]:
    """List every file of a shard; only the headers are read.

    Args:
        shard: The shard, for messages.
        file: The same, opened.

    Raises:
        InputError: If it is compressed or no tar, breaks off, goes on after its end, or has links in it.

    Example:
        >>> import io
        >>> list_members(Path("a.tar"), io.BytesIO(b"text"))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected an uncompressed tar file, got a.tar, which cannot be read (...
    """
    members: list[Member] = []
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            while (member := archive.next()) is not None:
                vars(archive)["members"] = []  # the archive would keep all members in memory
                members += _files(shard, member)
            file.seek(archive.offset)
    except (tarfile.TarError, ValueError, OverflowError, MemoryError) as error:  # the latter of sizes in headers
        raise InputError(
            f"Expected an uncompressed tar file, got {shard}, which cannot be read "
            f"({str(error) or type(error).__name__}). Write or copy it again."
        ) from error
    # A damaged header ends tarfile's iteration as silently as the end of the archive does.
    require(
        file.read(len(_END_BLOCK)) == _END_BLOCK,
        f"Expected a whole tar file, got {shard}, which breaks off after {len(members)} files. Write or copy it again.",
    )
    require(
        not any(chunk.strip(b"\0") for chunk in iter(lambda: file.read(_CHUNK), b"")),
        f"Expected nothing after the end of a tar file, got {shard}, which goes on after {len(members)} files. "
        "Unpack it with tar --ignore-zeros, and write it again.",
    )
    return members


def _files(shard: Path, member: tarfile.TarInfo) -> list[Member]:
    """The member if it is a file, none if it is a folder."""
    if member.isdir():
        return []
    kind = "a link to one" if member.issym() or member.islnk() else "a sparse file or a device"
    require(
        member.isreg() and not member.issparse(),
        f"Expected files in {shard}, got {member.name}, which is {kind}. "
        "Write it again with tar --dereference --hard-dereference, without --sparse.",
    )
    path = normalize_name(member.name).replace("\\", "/")
    folder, slash, name = path.rpartition("/")
    key, _, ending = name.partition(".")
    system = any(is_system_name(part) for part in path.split("/") if part not in (".", "..", ""))
    key = (folder + slash + key).removeprefix("./")
    return [Member(key, ending.lower(), shard, member.offset_data, member.size, system)]
