"""The key queue of MoCo.

Letters: B rows of a batch, E width of a key, Q length of the queue.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.functional import pad

from unlearning_pl.distributed.collectives import gather


class KeyQueue(nn.Module):
    """Queue of the keys of the last batches, the newest first; equal on every process and saved in checkpoints.

    It is initialised with random directions, as in the paper.

    Args:
        size: Length Q.
        dim: Width E of a key.
    """

    keys: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))

    @torch.no_grad()
    def refill(self, keys: Iterator[Tensor]) -> None:
        """Replace all keys by the first of other ones, batches ``(B, E)`` that are the same on every process."""
        new_keys: list[Tensor] = []
        while sum(map(len, new_keys)) < len(self.keys):
            new_keys.append(F.normalize(next(keys).to(self.keys.dtype), dim=1))
        self.keys = torch.cat(new_keys)[: len(self.keys)]

    @torch.no_grad()
    def enqueue(self, keys: Tensor, skip: Tensor | None = None) -> None:
        """Enqueue the keys ``(B, E)`` of every process, and dequeue the oldest ones.

        Args:
            keys: B is the same on every process.
            skip: Mask of the keys that are not enqueued, ``(B,)`` bool, given on every process or on none.
        """
        joined = torch.cat([gather(F.normalize(keys.to(self.keys.dtype), dim=1)), self.keys])
        if skip is not None:
            last = pad(gather(skip[:, None].to(keys.dtype))[:, 0], (0, len(self.keys)))
            joined = joined[last.argsort(stable=True)]  # a selection by a mask would synchronise with the device
        self.keys = joined[: len(self.keys)]
