"""Tensors of all processes in one, with gradients of any order.

Letters: N rows of one process, W processes, D width of a row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightly.utils import dist
from torch import Tensor, distributed
from torch.nn.functional import pad

T = TypeVar("T")

_single = False


@contextmanager
def single_process() -> Iterator[None]:
    """Within it this process is alone: for what every process computes on the same rows.

    Example:
        >>> with single_process():
        ...     world_size()
        1
    """
    global _single
    before, _single = _single, True
    try:
        yield
    finally:
        _single = before


def world_size() -> int:
    """Number of processes whose rows are gathered."""
    return 1 if _single else int(dist.world_size())


def rank() -> int:
    """This process among them."""
    return 0 if _single else int(dist.rank())


def gather(rows: Tensor) -> Tensor:
    """Collect the rows of every process, in the order of ranks; each process has the same number.

    ====== ======================= ==============================
    rank   given                   returned
    ====== ======================= ==============================
    0      ``r_0 .. r_{N-1}``      ``r_0 .. r_{WN-1}``
    1      ``r_N .. r_{2N-1}``     ``r_0 .. r_{WN-1}``
    ====== ======================= ==============================

    It is a sum over processes of blocks padded with zeros, since the backward pass of a sum is a sum, which
    autograd records: the gradient of a gradient is right too, which an all-gather with a hand-written backward pass
    (lightly's) loses.

    Args:
        rows: ``(..., N, D)``.

    Returns:
        ``(..., W N, D)``; ``rows`` itself in a single process.

    Example:
        >>> gather(torch.eye(2))
        tensor([[1., 0.],
                [0., 1.]])
    """
    if world_size() == 1:
        return rows
    n = rows.shape[-2]
    before, after = rank() * n, (world_size() - 1 - rank()) * n
    return all_reduce_sum(pad(rows, (0, 0, before, after)))


def all_reduce_sum(x: Tensor) -> Tensor:
    """Sum a tensor of one shape over processes; the gradient of a gradient is right too.

    Example:
        >>> all_reduce_sum(torch.ones(2))
        tensor([1., 1.])
    """
    if world_size() == 1:
        return x
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return summed


class _Sum(torch.autograd.Function):
    """A sum over processes, whose backward pass is recorded as the same sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        summed: Tensor = _Sum.apply(gradients[0])  # type: ignore[no-untyped-call]
        return summed


def local_indices(n: int, device: torch.device) -> Tensor:
    """Where the ``n`` rows of this process stand in what :func:`gather` returns, ``(n,)`` int64.

    Example:
        >>> local_indices(3, torch.device("cpu"))
        tensor([0, 1, 2])
    """
    return torch.arange(rank() * n, (rank() + 1) * n, device=device)


def gather_with_indices(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the rows of every process like :func:`gather`, and say where those of this process are.

    Args:
        rows: ``(N, D)``.

    Returns:
        ``(W N, D)``, and ``(N,)`` int64.

    Example:
        >>> gather_with_indices(torch.eye(2))[1]
        tensor([0, 1])
    """
    return gather(rows), local_indices(len(rows), rows.device)


def async_all_reduce_max(value: int) -> Callable[[], int]:
    """Begin to find the largest ``value`` of all processes; what is returned waits for it.

    It goes over :func:`cpu_group`, so it can be begun in one step and asked for in the next.

    Example:
        >>> async_all_reduce_max(3)()
        3
    """
    if world_size() == 1:
        return lambda: value
    found = torch.tensor(value)
    sent = distributed.all_reduce(found, op=distributed.ReduceOp.MAX, group=cpu_group(), async_op=True)

    def wait() -> int:
        sent.wait()
        return int(found)

    return wait


def all_gather_object(value: T) -> list[T]:
    """What each process says, in the order of ranks, over :func:`cpu_group`.

    Example:
        >>> all_gather_object("here")
        ['here']
    """
    if world_size() == 1:
        return [value]
    said = [value] * world_size()
    distributed.all_gather_object(said, value, group=cpu_group())
    return said


_aside: tuple[Any, Any] = (None, None)


def cpu_group(timeout: timedelta | None = None) -> Any:
    """A group of all processes for what they say to one another beside the training, over the CPU.

    It never waits for a device, and cannot come between the collectives of a step, whose order on each process is
    Lightning's.

    Args:
        timeout: How long a process waits for the others, said when the group is made; torch's default if not given.
    """
    global _aside
    if _aside[0] is not distributed.group.WORLD:
        world = distributed.group.WORLD
        _aside = world, distributed.new_group(backend="gloo", timeout=timeout)
    return _aside[1]
