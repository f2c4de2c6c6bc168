"""However many threads ask, no more bytes are granted than there are, and all come back."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from unlearning_pl.blackbox.memory_budget import MemoryBudget


def test_threads_hold_no_more_together_than_the_budget() -> None:
    budget, lock, held, most = MemoryBudget(10), Lock(), [0], [0]

    def one(count: int) -> bool:
        with budget.reserve(count, 5.0) as granted:
            with lock:
                held[0] += count
                most[0] = max(most[0], held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= count
        return granted

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, [1, 7, 3, 10, 5, 2] * 10))
    assert 7 <= most[0] <= 10
    with budget.reserve(10, 0.0) as granted:
        assert granted


def test_what_was_not_granted_is_not_given_back() -> None:
    budget = MemoryBudget(10)
    for count in (11, 10**12):
        with budget.reserve(count, 0.0) as granted:
            assert not granted
    with pytest.raises(KeyError), budget.reserve(4, 0.0):
        raise KeyError
    with budget.reserve(10, 0.0) as first, budget.reserve(1, 0.0) as second:
        assert (first, second) == (True, False)
