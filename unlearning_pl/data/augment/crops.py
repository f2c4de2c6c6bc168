"""Affine resampling and random crops of a whole batch at once, each row with its own parameters.

Letters: B rows, H height, W width.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.data.augment import draws

PLACE = ((-1, 1), (-1, 1), (0, 1))
"""Bounds of the numbers that place a box: along both axes, and the one that decides on a flip."""
_DRAWS = 10
"""How often torchvision draws a box until one fits into the image."""


def affine_sample(images: Tensor, theta: list[list[Tensor]], padding: str, mode: str = "bilinear") -> Tensor:
    """Resample ``images`` at affinely mapped positions.

    Args:
        images: ``(B, C, H, W)``.
        theta: Two rows of three ``(B,)``; coordinates run from -1 to 1 along both axes.
        padding: Pixels outside of an image: ``zeros`` or ``border``.
        mode: ``bilinear`` or ``nearest``.

    Example:
        >>> one, none = torch.ones(1), torch.zeros(1)
        >>> affine_sample(torch.tensor([[[[1.0, 2.0]]]]), [[-one, none, none], [none, one, none]], padding="zeros")
        tensor([[[[2., 1.]]]])
    """
    matrix = torch.stack([torch.stack(row, dim=-1) for row in theta], dim=-2)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode=mode, padding_mode=padding, align_corners=False)


def resize_crop(images: Tensor, width: Tensor, height: Tensor, place: Sequence[Tensor], flip_p: float) -> Tensor:
    """Crop a box of each image, resize it to the size of the image, and mirror some.

    Args:
        images: ``(B, C, H, W)``.
        width: Width of the box as a fraction of the image's, ``(B,)`` in (0, 1].
        height: Height of the box as a fraction of the image's, ``(B,)`` in (0, 1].
        place: Three ``(B,)``, uniform within :data:`PLACE`.
        flip_p: Probability of mirroring a box.

    Example:
        >>> whole, images = torch.ones(2), torch.tensor([[[[1.0, 2.0]]]]).repeat(2, 1, 1, 1)
        >>> resize_crop(images, whole, whole, draws.uniforms(images, *PLACE), flip_p=1.0).flatten()
        tensor([2., 1., 2., 1.])
    """
    across, down, flip = place
    none = torch.zeros_like(width)
    first = [width * draws.flip_sign(flip, flip_p), none, (1 - width) * across]
    return affine_sample(images, [first, [none, height, (1 - height) * down]], padding="border")


def draw_boxes(images: Tensor) -> Tensor:
    """Draw areas and aspect ratios of ten boxes in each image, of which :func:`first_box` takes one: ``(2, 10, B)``.

    All ten are drawn at once, so that the device does not wait for the host.

    Example:
        >>> draw_boxes(torch.zeros(5, 3, 8, 8)).shape
        torch.Size([2, 10, 5])
    """
    return torch.rand(2, _DRAWS, len(images), device=images.device, dtype=images.dtype)


def first_box(images: Tensor, drawn: Tensor, min_scale: float, ratio: float) -> tuple[Tensor, Tensor]:
    """Width and height of a box in each image, as fractions of the image's: two ``(B,)`` in (0, 1].

    Area and the logarithm of the aspect ratio are uniform. Of ten draws the first box that fits is taken; if none fits,
    the largest box of an allowed ratio.

    Args:
        images: ``(B, C, H, W)``.
        drawn: What :func:`draw_boxes` returns.
        min_scale: Smallest area, as a fraction of the image's, in (0, 1].
        ratio: Largest ratio of the longer to the shorter side, at least 1.

    Example:
        >>> images = torch.zeros(1000, 3, 8, 8)
        >>> width, height = first_box(images, draw_boxes(images), 0.9, 4 / 3)
        >>> bool((width * height >= 0.9 - 1e-6).all()), float(width.max()) <= 1
        (True, True)
    """
    tall = images.shape[-2] / images.shape[-1]
    area = min_scale + (1 - min_scale) * drawn[0]
    aspect = ((2 * drawn[1] - 1) * math.log(ratio)).exp() * tall
    width, height = (area * aspect).sqrt(), (area / aspect).sqrt()
    fits = (width <= 1) & (height <= 1)
    first = fits.to(torch.uint8).argmax(dim=0, keepdim=True)
    found = fits.any(dim=0)
    return (
        torch.where(found, width.gather(0, first)[0], min(1.0, ratio * tall)),
        torch.where(found, height.gather(0, first)[0], min(1.0, ratio / tall)),
    )
