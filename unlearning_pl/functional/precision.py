"""Full precision, independent of the trainer's precision."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")


def full_precision(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Decorator that runs a function of tensors outside autocast, with half-precision tensors cast to float32.

    Casting alone is not enough: autocast casts the operands of a matrix product back.

    Example:
        >>> product = full_precision(lambda a, b: a @ b)
        >>> with torch.autocast("cpu", torch.bfloat16):
        ...     product(torch.eye(2), torch.eye(2)).dtype, (torch.eye(2) @ torch.eye(2)).dtype
        (torch.float32, torch.bfloat16)
    """

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        values = (*args, *kwargs.values())
        device = next(value.device.type for value in values if isinstance(value, Tensor))
        wide_kwargs = {name: _widen(value) for name, value in kwargs.items()}
        with torch.autocast(device, enabled=False):
            return function(*map(_widen, args), **wide_kwargs)  # type: ignore[arg-type]

    return wrapped


def in_float16(device: torch.device) -> bool:
    """Whether autocast computes in float16 here, so that small gradients need a scaled loss.

    Example:
        >>> in_float16(torch.device("cpu"))
        False
    """
    return torch.is_autocast_enabled(device.type) and torch.get_autocast_dtype(device.type) == torch.float16


def _widen(value: object) -> object:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half and isinstance(value, Tensor) else value
