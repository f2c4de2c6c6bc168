"""Many strings in little memory: paths of files, and ids of images."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, overload

import pyarrow as pa


class PackedStrings(Sequence[str]):
    """A sequence of strings in one Arrow array: a million paths or ids stay cheap, also to copy to a worker.

    A ``str`` object takes about sixty bytes beside its letters, in every process; here a string takes eight. A
    ``PackedStrings`` equals any sequence of the same strings; a slice of it is a list. Copies and sums share memory
    with the sequences that they are made of.

    Args:
        texts: The strings.

    Example:
        >>> texts = PackedStrings(["a", "", "bc"]) + PackedStrings(["d"])
        >>> len(texts), texts[2], texts[-1], texts[1:]
        (4, 'bc', 'd', ['', 'bc', 'd'])
        >>> texts == ["a", "", "bc", "d"]
        True
    """

    def __init__(self, texts: Iterable[str]) -> None:
        if isinstance(texts, PackedStrings):
            self._array: Any = texts._array
            return
        # Bytes, not Arrow's strings, which are UTF-8 alone: names of files need not be.
        encoded = pa.array([text.encode("utf-8", "surrogatepass") for text in texts], pa.large_binary())
        self._array = pa.chunked_array([encoded])

    def __len__(self) -> int:
        return len(self._array)

    @overload
    def __getitem__(self, row: int) -> str: ...

    @overload
    def __getitem__(self, row: slice) -> list[str]: ...

    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [_decode(text) for text in self._array[row].to_numpy()]
        return _decode(self._array[row].as_py())

    def __iter__(self) -> Iterator[str]:
        blocks = (self[start : start + 4096] for start in range(0, len(self), 4096))  # faster than one by one
        return chain.from_iterable(blocks)

    def __add__(self, other: "PackedStrings") -> "PackedStrings":
        both = PackedStrings(self)
        both._array = pa.chunked_array([*self._array.chunks, *other._array.chunks])
        return both

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PackedStrings({self[:]!r})"


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogatepass")
