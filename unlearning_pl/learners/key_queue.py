"""A queue of keys.

Letters: B rows of a batch, E width of a key, Q length of the queue.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unlearning_pl.distributed.collectives import gather


class Queue(nn.Module):
    """Keys of the last batches, the newest first: the same on every process, and part of the checkpoint.

    It begins with random directions, as the paper's.

    Args:
        size: Length Q.
        dim: Width E of a key.
    """

    keys: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("keys", F.normalize(torch.randn(size, dim), dim=1))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Take in keys ``(B, E)`` of every process, in place of the oldest ones."""
        fresh = gather(F.normalize(keys.to(self.keys.dtype), dim=1))
        self.keys = torch.cat([fresh, self.keys])[: len(self.keys)]
