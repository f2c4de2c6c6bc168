"""Read a checkpoint file as tensors, never as code; an error names what the file is instead."""

import re
import warnings
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch

from unlearning_pl.errors import InputError, require, shown
from unlearning_pl.training.pickled_names import pickled_names

_COPY = "Copy or download it again"
_SAVE = "save its weights where you trust it: torch.save(model.state_dict(), 'weights.pt')"
_ALLOWED = ("torch", "torch._utils", "torch._tensor", "torch.storage", "torch.nn.parameter", "collections", "_codecs")
"""Modules whose names checkpoints of tensors contain."""

_ALLOWED_NAMES = tuple(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "bytearray"))


class Format(NamedTuple):
    """A kind of file that is no checkpoint of tensors.

    Attributes:
        name: What the file is, for an error message.
        remedy: What to do.
    """

    name: str
    remedy: str


_FOREIGN = {
    b"<": Format("a page of HTML or XML, as of a download that failed", _COPY),
    b"version https://git-lfs": Format("a pointer of Git LFS", "Fetch the file itself: git lfs pull"),
    b"\x89HDF": Format("an HDF5 file", "Give a file of torch or safetensors"),
    b"\x93NUMPY": Format("a NumPy array", "Give a file of torch or safetensors"),
    b"\x1f\x8b": Format("a gzip archive", "Unpack it"),
    b"BZh": Format("a bzip2 archive", "Unpack it"),
    b"\xfd7zXZ": Format("an xz archive", "Unpack it"),
    b"\x28\xb5\x2f\xfd": Format("a zstd archive", "Unpack it"),
}
"""Formats by their first bytes."""


def read_tensors(path: Path) -> Any:
    """Load a file of torch with ``weights_only=True``, or of safetensors; its content decides which, not its name.

    Args:
        path: An existing file.

    Returns:
        What the file holds: usually a dictionary, of tensors or with dictionaries of tensors.

    Raises:
        InputError: If the file is empty, truncated, damaged, compressed, of another format, or runs code.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if _is_safetensors(head, path):
        return _read_safetensors(path)
    foreign = _zip_format(path) if head.startswith(b"PK\x03\x04") else _foreign_format(head, path)
    if foreign is not None:
        raise InputError(f"Expected a checkpoint, got {path}, which is {foreign.name}. {foreign.remedy}.")
    try:
        with warnings.catch_warnings(), path.open("rb") as file:  # of a path, torch would believe the ending
            warnings.simplefilter("ignore")  # about the protocol of the pickle; an error says what matters of it
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a different exception for each kind of invalid file
        raise InputError(f"Expected a checkpoint, got {path}, {_reason(error, path)}.") from error


def _is_safetensors(head: bytes, path: Path) -> bool:
    """A header of N bytes follows its length N, 8 bytes little-endian; a zip or a pickle would be absurdly long."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < max(path.stat().st_size, 2**27)


def _read_safetensors(path: Path) -> Any:
    require(
        find_spec("safetensors") is not None,
        f"Expected the package safetensors to read {path}, got none. Run pip install 'unlearning-pl[clip]'.",
    )
    from safetensors.torch import load_file  # a dependency of open_clip and timm

    try:
        return load_file(path)
    except Exception as error:  # SafetensorError, or KeyError for a type that torch lacks
        raise InputError(
            f"Expected a safetensors file, got {path}, which is truncated or damaged ({_first_line(error)}). {_COPY}."
        ) from error


def _foreign_format(head: bytes, path: Path) -> Format | None:
    if not head:
        return Format("empty", f"It was never written, or its download failed. {_COPY}")
    if head[257:262] == b"ustar":
        return Format("a tar archive: a packed folder, or a checkpoint of torch 0.1", f"Unpack it, or {_SAVE}")
    for magic, name in _FOREIGN.items():
        if head.lstrip(b"\xef\xbb\xbf \r\n\t" if magic == b"<" else b"").startswith(magic):
            return name
    if head.startswith(b"\x80"):
        return None  # a pickle
    kind = "a text file" if re.fullmatch(rb"[\t\n\r -~\x80-\xff]+", head) else "of an unknown format"
    return Format(kind, "Give a .ckpt of a run, or a file of torch or safetensors")


def _zip_format(path: Path) -> Format | None:
    """Format of a zip archive; None for one that ``torch.save`` wrote, whose members are not compressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return Format("truncated or damaged", _COPY)
    names = {member.filename.partition("/")[2] for member in members}
    if "constants.pkl" in names:
        return Format("TorchScript, which is code", f"Load it with torch.jit.load and {_SAVE}")
    if any(member.filename.endswith(".npy") for member in members):
        return Format("an archive of NumPy arrays", "Give a file of torch or safetensors")
    if "data.pkl" not in names:
        return Format("a zip archive without weights", "Unpack it, and give the checkpoint in it")
    size = sum(member.file_size for member in members)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members) or size > path.stat().st_size:
        return Format(f"a compressed archive of {size} bytes, unlike those of torch.save", "Save it with torch.save")
    return None


def _reason(error: Exception, path: Path) -> str:
    """Why torch cannot load a pickle or an archive, with the remedy."""
    text = _first_line(error)
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    names = (name for name in pickled_names(path) if name not in _ALLOWED_NAMES)
    foreign = [name for name in names if name.rpartition(".")[0] not in _ALLOWED]
    code = refused[1] if refused else next(iter(foreign), None)
    if code is not None:
        return f"a pickle that runs {code}. Nothing of it was run. Give tensors alone: {_SAVE}"
    truncated = isinstance(error, EOFError) or re.search(r"EOF|Ran out of input|PytorchStreamReader", text)
    if truncated or re.search(r"unpack requires|index out of range", text):
        return f"which is truncated or damaged. {_COPY}"
    if re.search("Unsupported operand|magic number", str(error)):
        return f"a pickle in another form than torch.save's own. Give a file of torch or safetensors, or {_SAVE}"
    return f"which torch cannot load ({text}). Give another file"


def _first_line(error: Exception) -> str:
    line = (str(error) or type(error).__name__).splitlines()[0]
    return shown(line, 120).rstrip(". ")
