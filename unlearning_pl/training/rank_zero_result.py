"""A result that one process computes and all processes get."""

from collections.abc import Callable
from typing import Any, TypeVar

from lightning.pytorch.strategies import Strategy

from unlearning_pl.errors import InputError

T = TypeVar("T")


def rank_zero_result(strategy: Strategy, compute: Callable[[], T]) -> T:
    """Compute a result on rank 0 and broadcast it; an InputError is raised on every process, as the others wait.

    Example:
        >>> from lightning.pytorch.strategies import SingleDeviceStrategy
        >>> rank_zero_result(SingleDeviceStrategy("cpu"), lambda: 3)
        3
    """
    result: Any = None
    if strategy.is_global_zero:
        try:
            result = compute()
        except InputError as error:
            result = error
    result = strategy.broadcast(result)
    if isinstance(result, InputError):
        raise result
    value: T = result
    return value
