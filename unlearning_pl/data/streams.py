"""The rows that feed a step: streams of fixed size, the same for one process and for many.

Letters: B rows of a batch over all processes.
"""

import math
from collections.abc import Iterator, Mapping, Sized
from itertools import chain
from typing import NamedTuple

import torch
from torch.utils.data import DistributedSampler
from typing_extensions import override

from unlearning_pl.data.seeds import run_seed
from unlearning_pl.errors import require
from unlearning_pl.types import Split


class Share(NamedTuple):
    """Which process of how many reads its share of the rows.

    Attributes:
        rank: Rank of the process.
        processes: Number of processes.
    """

    rank: int = 0
    processes: int = 1


ALONE = Share()
"""The share of a single process: all rows."""


def rows_per_stream(sizes: Mapping[Split, int], batch_size: int, processes: int = 1) -> dict[Split, int]:
    """Divide the rows of a batch among streams, in proportion to their sizes.

    Every process gets the same number of rows. Each stream has at least two of them, which partners, contrast and
    BatchNorm need, or one if it has a single sample and is not the only stream. A small stream therefore repeats more
    often than in proportion to its size: its samples weigh more in a loss that averages over the rows of a step. If a
    single stream is smaller than the batch, the batch has the size of the stream.

    Args:
        sizes: Number of samples of each stream, at least 1.
        batch_size: Rows of a step over all processes, a multiple of their number.
        processes: Number of processes.

    Returns:
        Rows of each stream over all processes.

    Raises:
        InputError: If the batch does not divide over the processes or is too small for the streams.

    Example:
        >>> rows_per_stream({"retain": 340, "forget": 60}, batch_size=100)
        {'retain': 85, 'forget': 15}
        >>> rows_per_stream({"retain": 398, "forget": 2}, batch_size=100)
        {'retain': 98, 'forget': 2}
    """
    require(
        batch_size % processes == 0 and batch_size >= 2 * processes * len(sizes),
        f"Expected data.batch_size, the rows of a step over all processes, to be a multiple of {processes} and at "
        f"least {2 * processes * len(sizes)}, got {batch_size}. Choose such a number.",
    )
    total = sum(sizes.values())
    per_process = max(min(batch_size, total) // processes, 2 * len(sizes))
    first, *others = sizes
    least = {name: min(2, sizes[name]) for name in others}
    rows = {name: max(least[name], round(per_process * sizes[name] / total)) for name in others}
    rows = {first: max(min(2, sizes[first]), per_process - sum(rows.values())), **rows}
    return {name: processes * count for name, count in rows.items()}


def even_rows(images: int, limit: int) -> int:
    """Rows of a batch so that the fewest batches of at most ``limit`` rows are of even size.

    Example:
        >>> even_rows(257, 256), even_rows(60, 256)
        (129, 60)
    """
    batches = -(-images // limit)
    return -(-images // max(1, batches))


class StreamSampler(DistributedSampler[int]):
    """Sample successive permutations of a stream for the steps of an epoch.

    The sampler drops rows of a permutation that do not fill a whole step, so that a step never has the same row twice.
    It distributes the rows of a step over the processes: their union is what a single process would get. If a stream is
    smaller than a step, each process gets whole parts of permutations instead, so that it has no row twice as long as
    the stream has enough rows for it. The order is a function of the run's seed, the stream and the epoch. The sampler
    is a ``DistributedSampler``, so that Lightning calls ``set_epoch`` and does not replace it under DDP.

    Args:
        dataset: The stream.
        name: Name of the stream; two streams with different names draw independently.
        steps: Steps of an epoch.
        rows: Rows of a step over all processes, a multiple of their number.
        share: Rank of this process, and number of processes.
        seed: Seed of the run.

    Attributes:
        resume_position: An epoch, and how many of its steps the run took before it was resumed.
    """

    resume_position: tuple[int, int] = (0, 0)

    def __init__(self, dataset: Sized, name: Split, steps: int, rows: int, share: Share = ALONE, seed: int = 0) -> None:
        super().__init__(dataset, num_replicas=share.processes, rank=share.rank, seed=seed)  # type: ignore[arg-type]
        self.name, self.steps, self.rows = name, steps, rows

    @override
    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(run_seed(self.seed, "stream", self.name, self.epoch))
        size, needed = len(self.dataset), self.steps * self.rows  # type: ignore[arg-type]
        own, small = self.rows // self.num_replicas, size < self.rows
        whole = size - size % (own if small else self.rows) or size
        rounds = [torch.randperm(size, generator=generator)[:whole] for _ in range(math.ceil(needed / whole))]
        drawn = torch.cat(rounds)[:needed]
        # If a step has a sample twice, two different processes have it: partners must be two samples.
        drawn = (
            drawn.view(self.steps, -1, own)[:, self.rank] if small else drawn.view(self.steps, own, -1)[..., self.rank]
        )
        epoch, taken = self.resume_position
        return iter(drawn[taken if epoch == self.epoch else 0 :].flatten().tolist())

    @override
    def __len__(self) -> int:
        return self.steps * self.rows // self.num_replicas


class DistributedBatchSampler(DistributedSampler[int]):
    """Distribute rows in order and in whole batches: of W processes, rank r gets batches r, r + W, ...

    Everything that depends on a batch (its random views, statistics over its rows) is therefore the same for one
    process and for many, even if the rows do not divide evenly.

    Args:
        dataset: The data set to distribute.
        rows: Rows of a batch.
        share: Rank of this process, and number of processes.
        even: Whether a process that would have one batch less than the others gets the first batch again.

    Example:
        >>> [list(DistributedBatchSampler(range(5), 2, Share(rank, processes=2))) for rank in (0, 1)]
        [[0, 1, 4], [2, 3]]
    """

    def __init__(self, dataset: Sized, rows: int, share: Share = ALONE, even: bool = False) -> None:
        super().__init__(dataset, num_replicas=share.processes, rank=share.rank)  # type: ignore[arg-type]
        self.rows, self.even = rows, even

    @override
    def __iter__(self) -> Iterator[int]:
        rows = list(range(len(self.dataset)))  # type: ignore[arg-type]
        starts = [*range(self.rank * self.rows, len(rows), self.num_replicas * self.rows)]
        if self.even and len(starts) < math.ceil(len(rows) / self.rows / self.num_replicas):
            starts.append(0)
        return chain.from_iterable(rows[start : start + self.rows] for start in starts)

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)
