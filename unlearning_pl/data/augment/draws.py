"""Random numbers, one per row of a batch, on the device of the batch, and the masks and flips that follow from them.

The global generator of that device draws them, so that the device does not wait for the host and ``torch.manual_seed``
reproduces them.
"""

import torch
from torch import Tensor


def uniforms(images: Tensor, *bounds: tuple[float, float]) -> list[Tensor]:
    """One uniform number per row for each pair of bounds, in ``[low, high)``: ``(B,)``, with the dtype of ``images``.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> bool((uniforms(torch.zeros(100, 3, 4, 4), (2, 3))[0] - 2.5).abs().max() <= 0.5)
        True
    """
    drawn = [torch.rand(len(images), device=images.device, dtype=images.dtype) for _ in bounds]
    torch._foreach_mul_(drawn, [high - low for low, high in bounds])  # two kernels for all of them
    torch._foreach_add_(drawn, [low for low, _ in bounds])
    return drawn


def bernoulli_mask(drawn: Tensor, probability: float) -> Tensor:
    """Mask ``(B, 1, 1, 1)`` of the rows whose number, ``(B,)`` and uniform in [0, 1), is below a probability.

    Example:
        >>> bernoulli_mask(torch.tensor([0.2, 0.7]), 0.5).flatten()
        tensor([ True, False])
    """
    return (drawn < probability)[:, None, None, None]


def flip_sign(drawn: Tensor, probability: float) -> Tensor:
    """-1 for the rows of :func:`bernoulli_mask`, which are mirrored, and 1 for the others, ``(B,)``.

    Example:
        >>> flip_sign(torch.tensor([0.2, 0.7]), 0.5)
        tensor([-1.,  1.])
    """
    return 1 - 2 * (drawn < probability).to(drawn.dtype)
