"""Random color jitter and blur of a whole batch at once, each row with its own parameters.

All operations but the hue are kornia's. Letters: B rows, H height, W width.
"""

import math

import torch
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from torch import Tensor

from unlearning_pl.data.augment import draws


def color_jitter(images: Tensor, jitter: float) -> Tensor:
    """Change brightness, contrast, saturation and hue, in an order that the CPU's generator draws once per batch.

    Args:
        images: In [0, 1], ``(B, 3, H, W)``.
        jitter: Strength: factors are uniform in ``[max(0, 1 - jitter), 1 + jitter]``, and the hue rotates by up to
            ``jitter / 4`` of a turn.

    Example:
        >>> images = torch.rand(2, 3, 4, 4)
        >>> bool(torch.allclose(color_jitter(images, 0.0), images, atol=1e-6))
        True
    """
    low, high = max(0.0, 1 - jitter), 1 + jitter
    for operation in torch.randperm(4).tolist():
        if operation == 0:
            images = adjust_brightness_accumulative(images, draws.uniform(images, low, high))
        elif operation == 1:
            images = adjust_contrast_with_mean_subtraction(images, draws.uniform(images, low, high))
        elif operation == 2:
            images = adjust_saturation_with_gray_subtraction(images, draws.uniform(images, low, high))
        else:
            turn = math.tau * jitter / 4
            images = adjust_hue(images, draws.uniform(images, -turn, turn))
    return images


def gaussian_blur(images: Tensor) -> Tensor:
    """Blur each image with its own sigma, uniform from 0.1 to 2 pixels; the kernel size is a tenth of the height.

    Example:
        >>> bool(torch.allclose(gaussian_blur(torch.full((1, 3, 8, 8), 0.5)), torch.tensor(0.5)))
        True
    """
    size = max(3, images.shape[-2] // 10 // 2 * 2 + 1)
    sigma = draws.uniform(images, 0.1, 2.0)[:, None].expand(-1, 2)
    return gaussian_blur2d(images, (size, size), sigma)


def adjust_hue(images: Tensor, angle: Tensor) -> Tensor:
    """Rotate the hue of HSV by ``angle`` ``(B,)`` in radians, without converting to HSV and back.

    A channel is ``V - C * clamp(min(k, 4 - k), 0, 1)`` with value V, chroma C and position k on the hue hexagon.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> adjust_hue(red, torch.tensor([math.tau / 3])).round().flatten().abs()
        tensor([0., 1., 0.])
    """
    red, green, blue = images.unbind(1)
    high, low = images.amax(1), images.amin(1)
    chroma = high - low
    safe = chroma.clamp(min=1e-8)  # gray has no hue: any value works, as its chroma is 0
    from_green = torch.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4)
    hue = torch.where(high == red, (green - blue) / safe, from_green) + angle[:, None, None] * (3 / math.pi)
    k = torch.stack([hue + 5, hue + 3, hue + 1], dim=1).remainder(6)
    return high[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)
