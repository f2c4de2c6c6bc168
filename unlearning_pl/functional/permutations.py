"""Random permutations without fixed points, for pairing samples."""

import torch
from torch import Tensor


def derangement(n: int, device: torch.device | str | None = None) -> Tensor:
    """Draw a random derangement: a partner for each of ``n`` samples, never the sample itself.

    The partners form one random cycle through all samples, so every sample is the partner of exactly one other. For a
    single sample there is no other partner, and the result is ``[0]``.

    Args:
        n: Number of samples, at least 0.
        device: Device of the result.

    Returns:
        Position of each sample's partner, ``(n,)`` int64.

    Example:
        >>> partner = derangement(5)
        >>> (partner != torch.arange(5)).all().item(), partner.sort().values.tolist()
        (True, [0, 1, 2, 3, 4])
    """
    order = torch.randperm(n, device=device)
    partner = torch.empty_like(order)
    partner[order] = order.roll(1)
    return partner
