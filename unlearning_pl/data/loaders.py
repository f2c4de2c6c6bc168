"""Loaders of rows: positions in the pool, with the images at them if images are streamed.

Letters: B rows of a batch, H height, W width.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from typing_extensions import override

from unlearning_pl.data.plans import SamplePlan
from unlearning_pl.errors import InputError
from unlearning_pl.types import Sample


class Rows:
    """The rows of a batch on their way to the device.

    A plain class, so that Lightning's precision plugins, which convert the tensors of containers, leave it alone.

    Args:
        index: Positions in the pool, ``(B,)`` int64.
        images: The images at these positions, ``(B, 3, H, W)`` uint8, if a worker decoded them; None if the pool holds
            them.
        plan: How a sample is made of them.
        first: The first position, where an evaluation's seed comes from, without a wait for the device.
    """

    __slots__ = ("first", "images", "index", "plan")

    def __init__(self, index: Tensor, images: Tensor | None, plan: SamplePlan, first: int) -> None:
        self.index, self.images, self.plan, self.first = index, images, plan, first

    def to(self, device: torch.device) -> "Rows":
        """Move the tensors to a device; Lightning calls it."""
        if self.images is None and self.index.device == device:
            return self
        index, images = move_data_to_device((self.index, self.images), device)
        return Rows(index, images, self.plan, self.first)

    def pin_memory(self) -> "Rows":
        """Copy the images to pinned memory; torch's loader calls it."""
        return Rows(self.index, None if self.images is None else self.images.pin_memory(), self.plan, self.first)


class RowDataset(Dataset[Rows]):
    """Positions in the pool as a data set: a batch is :class:`Rows`, and the device makes the sample.

    Args:
        positions: ``(N,)`` int64.
        plan: How samples are made.
        read: Reads streamed images ``(B, 3, H, W)`` uint8 at positions ``(B,)``, in the process that indexes them: a
            worker, if the loader has workers. None leaves the images to the device.
    """

    def __init__(self, positions: Tensor, plan: SamplePlan, read: Callable[[Tensor], Tensor] | None = None) -> None:
        self.positions, self.plan, self.read = positions, plan, read

    def __len__(self) -> int:
        return len(self.positions)

    def __getitems__(self, rows: list[int]) -> Rows | InputError:
        """All rows of a batch at once."""
        index = self.positions[rows]
        try:
            return Rows(index, None if self.read is None else self.read(index), self.plan, int(index[0]))
        except InputError as error:  # raised in a worker, its message would be buried under the worker's traceback
            return error


class PositionLoader(DataLoader[Any]):
    """A data loader that raises in the main process, as one line, the InputErrors that its workers return."""

    @override
    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, InputError):
                raise batch
            yield batch


def index_loader(
    dataset: RowDataset, rows: int, sampler: DistributedSampler[int] | None = None, workers: int = 0, pin: bool = False
) -> PositionLoader:
    """Make a loader whose batches are ``rows`` rows, in order unless a sampler is given.

    Args:
        dataset: Positions, with the plan of their samples.
        rows: Rows of a batch.
        sampler: Order of the rows.
        workers: Number of processes that read images; they persist between epochs.
        pin: Whether to put batches into pinned memory, for a CUDA device.

    Example:
        >>> from unlearning_pl.data.plans import InputSpec
        >>> dataset = RowDataset(torch.tensor([5, 7, 9]), SamplePlan.training(InputSpec(), seed=0))
        >>> [batch.index.tolist() for batch in index_loader(dataset, rows=2)]
        [[5, 7], [9]]
    """
    return PositionLoader(
        dataset,
        batch_size=rows,
        sampler=sampler,
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_ignore_job_signals,
        pin_memory=pin,
        generator=torch.Generator(),  # torch draws the workers' seeds from it, not from the global one
    )


def _ignore_job_signals(worker: int) -> None:
    """Ignore SLURM's signals to every process: the run needs its workers until it has stopped with a checkpoint."""
    if hasattr(signal, "sigwaitinfo"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        Thread(target=_exit_on_parent_signal, daemon=True).start()


def _exit_on_parent_signal() -> None:
    """Exit on SIGTERM from the process that owns the worker; a fork server may have forked it, as since Python 3.14."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent.pid:
        pass
    os._exit(0)


def _as_it_is(batch: Any) -> Any:
    return batch


class SampleLoader:
    """An iterable of samples over a loader of rows; it can be iterated repeatedly.

    Args:
        loader: Yields rows.
        device: Device of the samples.
        make_sample: Makes a sample of rows on that device.
    """

    def __init__(self, loader: PositionLoader, device: torch.device, make_sample: Callable[[Rows], Sample]) -> None:
        self.loader, self.device, self.make_sample = loader, device, make_sample

    @torch.no_grad()
    def __iter__(self) -> Iterator[Sample]:
        for rows in self.loader:
            yield self.make_sample(rows.to(self.device))
