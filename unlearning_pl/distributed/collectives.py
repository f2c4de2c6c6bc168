"""Collectives with gradients of any order, and a process group on the CPU.

Letters: N rows of one process, W processes, D width of a row.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightly.utils import dist
from torch import Tensor, distributed, nn
from torch.nn.functional import pad

T = TypeVar("T")

_single = False


@contextmanager
def single_process() -> Iterator[None]:
    """Context in which :func:`world_size` is 1, for what a process computes alone, on all rows or on its share.

    Example:
        >>> with single_process():
        ...     world_size()
        1
    """
    global _single
    previous, _single = _single, True
    try:
        yield
    finally:
        _single = previous


def world_size() -> int:
    """Number of processes whose rows are gathered; 1 within :func:`single_process`."""
    return 1 if _single else int(dist.world_size())


def rank() -> int:
    """Rank of this process; 0 within :func:`single_process`."""
    return 0 if _single else int(dist.rank())


def gather(rows: Tensor) -> Tensor:
    """Collect the rows of every process, in the order of ranks; each process has the same number.

    ====== ======================= ==============================
    rank   given                   returned
    ====== ======================= ==============================
    0      ``r_0 .. r_{N-1}``      ``r_0 .. r_{WN-1}``
    1      ``r_N .. r_{2N-1}``     ``r_0 .. r_{WN-1}``
    ====== ======================= ==============================

    The implementation is a sum over processes of blocks padded with zeros, since the backward pass of a sum is a sum,
    which autograd records: the gradient of a gradient is correct too. An all-gather with a hand-written backward pass,
    such as lightly's, loses it.

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
    """Sum a tensor over processes; the shape is the same on each, and the gradient of a gradient is correct too.

    Example:
        >>> all_reduce_sum(torch.ones(2))
        tensor([1., 1.])
    """
    if world_size() == 1:
        return x
    summed: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return summed


def all_reduce_shares(sums: Iterable[Tensor]) -> None:
    """Add up, in place, what every process has summed over its share of the rows, within :func:`single_process` too.

    Args:
        sums: Tensors of the same shapes, in the same order, on every process.

    Example:
        >>> all_reduce_shares([total := torch.ones(2)])
        >>> total
        tensor([1., 1.])
    """
    if dist.world_size() > 1:
        for value in sums:
            distributed.all_reduce(value)


def broadcast_buffers(module: nn.Module) -> None:
    """Give every process the buffers of rank 0, as the next training step would; they are those of a checkpoint.

    Example:
        >>> broadcast_buffers(nn.BatchNorm2d(3))
    """
    if dist.world_size() > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)


class _Sum(torch.autograd.Function):
    """Sum over processes whose backward pass is the same sum, recorded by autograd."""

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
    """Indices of the ``n`` rows of this process in the result of :func:`gather`, ``(n,)`` int64.

    Example:
        >>> local_indices(3, torch.device("cpu"))
        tensor([0, 1, 2])
    """
    return torch.arange(rank() * n, (rank() + 1) * n, device=device)


def gather_with_indices(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Collect the rows of every process like :func:`gather`, with the indices of the rows of this process.

    Args:
        rows: ``(N, D)``.

    Returns:
        The rows of all processes, ``(W N, D)``, and the indices, ``(N,)`` int64.

    Example:
        >>> gather_with_indices(torch.eye(2))[1]
        tensor([0, 1])
    """
    return gather(rows), local_indices(len(rows), rows.device)


def async_all_reduce_max(value: int) -> Callable[[], int]:
    """Start an all-reduce of the maximum of ``value`` over processes.

    It runs over :func:`cpu_group`, so it can be started in one step and waited for in the next.

    Returns:
        A function that waits for the result and returns it.

    Example:
        >>> async_all_reduce_max(3)()
        3
    """
    if world_size() == 1:
        return lambda: value
    maximum = torch.tensor(value)
    work = distributed.all_reduce(maximum, op=distributed.ReduceOp.MAX, group=cpu_group(), async_op=True)

    def wait() -> int:
        work.wait()
        return int(maximum)

    return wait


def all_gather_object(value: T) -> list[T]:
    """Collect an object of each process, in the order of ranks, over :func:`cpu_group`.

    Example:
        >>> all_gather_object("rank 0")
        ['rank 0']
    """
    if world_size() == 1:
        return [value]
    gathered = [value] * world_size()
    distributed.all_gather_object(gathered, value, group=cpu_group())
    return gathered


_groups: tuple[Any, Any] = (None, None)  # the default group, and the CPU group made for it


def cpu_group(timeout: timedelta | None = None) -> Any:
    """Process group of all processes over gloo on the CPU, for communication outside the training step.

    It never waits for a device, and cannot interleave with the collectives of a step, whose order on each process
    Lightning determines.

    Args:
        timeout: How long a process waits for the others, used when the group is created; torch's default if not given.
    """
    global _groups
    if _groups[0] is not distributed.group.WORLD:
        world = distributed.group.WORLD
        _groups = world, distributed.new_group(backend="gloo", timeout=timeout)
    return _groups[1]
