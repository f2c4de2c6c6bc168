"""Many texts in little memory: paths of files, and ids of images."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from copy import copy
from itertools import accumulate
from typing import overload

import numpy as np
import numpy.typing as npt


class PackedStrings(Sequence[str]):
    """Many texts in few objects, instead of one each: a million paths or ids stay cheap, also to copy to a worker.

    An object takes about sixty bytes beside its letters, in every process; here a text takes eight. It equals any
    sequence of the same texts; a slice of it is a list. Those made of others, or by ``+``, share their memory.

    Args:
        texts: What to keep.

    Example:
        >>> texts = PackedStrings(["a", "", "bc"]) + PackedStrings(["d"])
        >>> len(texts), texts[2], texts[-1], texts[1:]
        (4, 'bc', 'd', ['', 'bc', 'd'])
        >>> texts == ["a", "", "bc", "d"]
        True
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._parts: list[tuple[bytes, npt.NDArray[np.int64]]]  # letters, and where each text ends
        self._starts: list[int]  # the first row of each part, and the number of rows
        if isinstance(texts, PackedStrings):
            self._parts, self._starts = texts._parts, texts._starts
            return
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]  # names of files need not be UTF-8
        self._parts = [(b"".join(encoded), np.cumsum([0, *map(len, encoded)], dtype=np.int64))]
        self._starts = [0, len(encoded)]

    def __len__(self) -> int:
        return self._starts[-1]

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        rows = range(len(self))[row]  # counts from the end where it is negative, and refuses what is not there
        return self._text(rows) if isinstance(rows, int) else [self._text(one) for one in rows]

    def _text(self, row: int) -> str:
        part = bisect_right(self._starts, row) - 1
        (joined, ends), row = self._parts[part], row - self._starts[part]
        return joined[ends[row] : ends[row + 1]].decode("utf-8", "surrogatepass")

    def __add__(self, other: "PackedStrings") -> "PackedStrings":
        both = copy(self)
        both._parts = [*self._parts, *other._parts]
        both._starts = [*accumulate((len(ends) - 1 for _, ends in both._parts), initial=0)]
        return both

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PackedStrings({self[:]!r})"
