"""Random partners for pairing samples.

Letters: n samples, m further samples that may be partners too.
"""

import torch
from torch import Tensor

_DRAWS = 1 << 53
"""Range of the integers that a choice is drawn with: their remainder is uniform to 1e-9 among millions."""


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


def differing_partner(keys: Tensor, further: Tensor | None = None) -> Tensor:
    """Draw a random partner with another key for each of n samples, uniformly among all that have one.

    The partners are a :func:`derangement` where it joins different keys, and are drawn one by one otherwise. A sample
    whose key all n samples share gets a partner among the further samples. If none of these differs either, the sample
    is its own partner.

    Args:
        keys: Key of each sample, ``(n,)`` int64.
        further: Keys of further samples, ``(m,)`` int64, which need no partner.

    Returns:
        Position of each partner, ``(n,)`` int64: below n among the samples, from n on among the further samples.

    Example:
        >>> differing_partner(torch.tensor([7, 7, 8]))[:2], differing_partner(torch.tensor([7]), torch.tensor([7, 9]))
        (tensor([2, 2]), tensor([2]))
    """
    n = len(keys)
    further = keys[:0] if further is None else further
    own, cycle = torch.arange(n, device=keys.device), derangement(n, keys.device)
    partner, missing = draw_differing(keys, further) if len(further) else (own, torch.ones_like(own, dtype=torch.bool))
    partner = own.where(missing, partner + n)
    if n:
        drawn, missing = draw_differing(keys, keys)
        partner = partner.where(missing, drawn)
    return cycle.where(keys[cycle] != keys, partner)


def draw_differing(keys: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Draw for each key one of the positions of a pool that have another key, all with equal probability.

    Args:
        keys: ``(n,)`` int64.
        pool: Keys to draw from, ``(m,)`` int64, at least one.

    Returns:
        A position in the pool for each key, ``(n,)`` int64, and a mask of the keys for which the pool has no other,
        ``(n,)`` bool.

    Example:
        >>> draw_differing(torch.tensor([2, 7]), torch.tensor([2, 1, 2]))[0][0]
        tensor(1)
        >>> draw_differing(torch.tensor([1, 2]), torch.tensor([2, 2]))[1]
        tensor([False,  True])
    """
    ordered, order = pool.sort(stable=True)
    start, end = torch.searchsorted(ordered, keys), torch.searchsorted(ordered, keys, right=True)
    others = len(pool) - (end - start)
    rank = torch.randint(_DRAWS, keys.shape, device=keys.device) % others.clamp_min(1)
    rank = rank + (end - start) * (rank >= start)  # skip those with the same key
    return order[rank.clamp_max(len(pool) - 1)], others == 0
