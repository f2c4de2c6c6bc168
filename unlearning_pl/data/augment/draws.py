"""Random numbers, masks and flips, one per row of a batch, on the device of the batch.

The global generator of that device draws them, so that the device does not wait for the host and ``torch.manual_seed``
reproduces them.
"""

import torch
from torch import Tensor


def uniform(images: Tensor, low: float, high: float) -> Tensor:
    """One uniform number per row in ``[low, high)``, ``(B,)``, with the dtype of ``images``.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> bool((uniform(torch.zeros(100, 3, 4, 4), 2, 3) - 2.5).abs().max() <= 0.5)
        True
    """
    return torch.rand(len(images), device=images.device, dtype=images.dtype) * (high - low) + low


def bernoulli_mask(images: Tensor, probability: float) -> Tensor:
    """One Bernoulli draw per row, ``(B, 1, 1, 1)`` bool.

    Example:
        >>> bernoulli_mask(torch.zeros(2, 3, 4, 4), 1.0).flatten()
        tensor([True, True])
    """
    return (uniform(images, 0, 1) < probability)[:, None, None, None]


def random_flip_sign(images: Tensor, probability: float) -> Tensor:
    """-1 for rows to mirror, drawn with ``probability``, and 1 for the others, ``(B,)``.

    Example:
        >>> random_flip_sign(torch.zeros(2, 3, 4, 4), 1.0)
        tensor([-1., -1.])
    """
    return 1 - 2 * bernoulli_mask(images, probability).flatten().to(images.dtype)
