"""Names of the classes and functions that a checkpoint's pickle would import, found without loading it."""

import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

_LONGEST = 2**26
"""Most bytes of a pickle that are read; that of a checkpoint has some kilobytes, as tensors lie beside it."""


def pickled_names(path: Path) -> list[str]:
    """List the dotted names in the pickle of a checkpoint, in their order; those before the damage in a damaged one.

    Args:
        path: A file of ``torch.save``, an archive or of the older form, or any pickle.

    Example:
        >>> import pickle, tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     _ = file.write(pickle.dumps(Path("a")))
        ...     file.flush()
        ...     pickled_names(Path(file.name))[0].startswith("pathlib")
        True
    """
    names: dict[str, None] = {}
    with suppress(Exception):  # pickletools raises many kinds of exceptions at the end or the damage
        for file in _pickles(path):
            for name in _names(file):
                names[name] = None
    return [*names]


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            member = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as file:
                yield file
        return
    with path.open("rb") as file:
        for _ in range(5):  # the older form has a magic number, a version, the system, the tensors and their keys
            yield file


def _names(file: IO[bytes]) -> Iterator[str]:
    """Names in one pickle: operands of GLOBAL, and the two latest strings before STACK_GLOBAL."""
    strings: list[str] = []
    memo: dict[int, str] = {}
    latest = ""  # the string that was pushed last, or nothing if something else was
    for opcode, value, position in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            yield str(value).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif opcode.name == "MEMOIZE" or opcode.name.endswith("BINPUT"):
            memo[len(memo) if value is None else value] = latest
            continue
        recalled = memo.get(value, "") if opcode.name.endswith("BINGET") and isinstance(value, int) else ""
        latest = value if isinstance(value, str) else recalled
        strings = [*strings[-1:], latest] if latest else strings
        if (position or 0) > _LONGEST:
            return
