"""Loaders of positions, and of the images at them if images are streamed.

Letters: B rows of a batch, H height, W width.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, NamedTuple

import torch
from lightning.fabric.utilities import move_data_to_device
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler
from typing_extensions import override

from unlearning_pl.data.streams import Positions, run_seed
from unlearning_pl.errors import InputError
from unlearning_pl.types import Sample


class StreamedBatch(NamedTuple):
    """A batch of streamed images.

    Attributes:
        index: Positions in the pool, ``(B,)`` int64.
        images: The images at these positions, ``(B, 3, H, W)`` uint8.
    """

    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which is not used
    images: Tensor


class StreamedPositions(Positions):
    """Positions and their images, read in the process that indexes them: a worker, if the loader has workers.

    Args:
        positions: ``(N,)`` int64.
        read: Reads images ``(B, 3, H, W)`` uint8 at positions ``(B,)``.
    """

    def __init__(self, positions: Tensor, read: Callable[[Tensor], Tensor]) -> None:
        super().__init__(positions)
        self.read = read

    @override
    def __getitems__(self, rows: list[int]) -> StreamedBatch | InputError:  # type: ignore[override]
        index = self.positions[rows]
        try:
            return StreamedBatch(index, self.read(index))
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
    dataset: Positions, rows: int, sampler: DistributedSampler[int] | None = None, workers: int = 0, pin: bool = False
) -> PositionLoader:
    """Make a loader whose batches are index tensors of ``rows`` positions, in order unless a sampler is given.

    Args:
        dataset: Positions, or positions that are read together with their images.
        rows: Rows of a batch.
        sampler: Order of the rows.
        workers: Number of processes that read images; they persist between epochs.
        pin: Whether to put batches into pinned memory, for a CUDA device.

    Example:
        >>> [batch.tolist() for batch in index_loader(Positions(torch.tensor([5, 7, 9])), rows=2)]
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
    """An iterable of samples over a loader of positions; it can be iterated repeatedly.

    Args:
        loader: Yields index tensors, or positions with their images.
        device: Device of the samples.
        make_sample: Makes a sample of a batch of the loader on that device.
    """

    def __init__(
        self, loader: PositionLoader, device: torch.device, make_sample: Callable[[Tensor | StreamedBatch], Sample]
    ) -> None:
        self.loader, self.device, self.make_sample = loader, device, make_sample

    @torch.no_grad()
    def __iter__(self) -> Iterator[Sample]:
        for step, batch in enumerate(self.loader):
            torch.manual_seed(run_seed("measure", step))
            yield self.make_sample(move_data_to_device(batch, self.device))
