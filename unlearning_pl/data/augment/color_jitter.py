"""Random color jitter and blur of a whole batch at once, each row with its own parameters.

All operations but the hue are kornia's. Letters: B rows, H height, W width.
"""

import math
from collections.abc import Sequence

import torch
from kornia.color import rgb_to_grayscale
from kornia.enhance import (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
)
from kornia.filters import gaussian_blur2d
from torch import Tensor

_BRIGHTNESS, _CONTRAST, _HUE = 0, 1, 3


def factor_bounds(order: Tensor, jitter: float) -> list[tuple[float, float]]:
    """Bounds of the factors of brightness 0, contrast 1, saturation 2 and hue 3, in an order.

    Args:
        order: Permutation of these numbers, ``(4,)`` int64 on the CPU.
        jitter: Strength: factors are in ``[max(0, 1 - jitter), 1 + jitter]``; that of the hue is an angle in radians,
            of up to ``jitter / 4`` of a turn.

    Example:
        >>> factor_bounds(torch.tensor([2, 0, 1]), 0.5)
        [(0.5, 1.5), (0.5, 1.5), (0.5, 1.5)]
    """
    turn = math.tau * jitter / 4
    factors = (max(0.0, 1 - jitter), 1 + jitter)
    return [(-turn, turn) if operation == _HUE else factors for operation in order.tolist()]


def color_jitter(images: Tensor, order: Tensor, factors: Sequence[Tensor]) -> Tensor:
    """Change brightness, contrast, saturation and hue, one after the other.

    Args:
        images: In [0, 1], ``(B, 3, H, W)``.
        order: Order of the changes, see :func:`factor_bounds`; on the device if the function is compiled.
        factors: Factors of the images for each change, in that order, four ``(B,)``.

    Example:
        >>> images, order = torch.rand(2, 3, 4, 4), torch.tensor([2, 0, 3, 1])
        >>> factors = [torch.full((2,), value) for value in (1.0, 1.0, 0.0, 1.0)]
        >>> bool(torch.allclose(color_jitter(images, order, factors), images, atol=1e-6))
        True
    """
    if torch.compiler.is_compiling():  # the order is on the device, and its value must not decide on the graph
        for operation, factor in zip(order, factors, strict=True):
            images = _selected_change(images, operation, factor)
    else:
        for operation, factor in zip(order.tolist(), factors, strict=True):
            images = _CHANGES[operation](images, factor)
    return images


def _selected_change(images: Tensor, operation: Tensor, factor: Tensor) -> Tensor:
    """The change whose number is ``operation``, ``()``: all but the hue blend an image with another one."""
    factor_of_pixels, gray = factor[:, None, None, None], rgb_to_grayscale(images)
    other = torch.where(operation == _CONTRAST, gray.mean((-2, -1), keepdim=True), gray)
    other = torch.where(operation == _BRIGHTNESS, 0.0, other)
    blended = (images * factor_of_pixels + other * (1 - factor_of_pixels)).clamp(0, 1)
    return torch.where(operation == _HUE, adjust_hue(images, factor), blended)


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur each image with its own ``sigma`` ``(B,)`` in pixels; the kernel size is a tenth of the height.

    Example:
        >>> bool(torch.allclose(gaussian_blur(torch.full((1, 3, 8, 8), 0.5), torch.ones(1)), torch.tensor(0.5)))
        True
    """
    size = max(3, images.shape[-2] // 10 // 2 * 2 + 1)
    return gaussian_blur2d(images, (size, size), sigma[:, None].expand(-1, 2))


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
    corners = torch.arange(5, 0, -2, dtype=hue.dtype, device=hue.device).view(-1, 1, 1)
    k = (hue[:, None] + corners).remainder(6)
    return high[:, None] - chroma[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)


_CHANGES = (
    adjust_brightness_accumulative,
    adjust_contrast_with_mean_subtraction,
    adjust_saturation_with_gray_subtraction,
    adjust_hue,
)
