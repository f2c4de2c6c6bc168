"""Bytes that several threads may hold together."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class MemoryBudget:
    """Bounds the bytes that threads hold at one time.

    Args:
        size: Number of bytes.

    Example:
        >>> budget = MemoryBudget(10)
        >>> with budget.reserve(8, 0.0) as first, budget.reserve(8, 0.0) as second:
        ...     first, second
        (True, False)
    """

    def __init__(self, size: int) -> None:
        self._free, self._changed = size, Condition()

    @contextmanager
    def reserve(self, count: int, patience: float) -> Iterator[bool]:
        """Reserve ``count`` bytes for a block; yields False if they are not free within ``patience`` seconds."""
        with self._changed:
            granted = self._changed.wait_for(lambda: self._free >= count, patience)
            self._free -= count if granted else 0
        try:
            yield granted
        finally:
            with self._changed:
                self._free += count if granted else 0
                self._changed.notify_all()
