"""Random views: augmented copies of a whole batch at once, on its device, each row with its own parameters.

The operations are in draws.py, crops.py (one :func:`torch.nn.functional.grid_sample` for crop and flip) and
color_jitter.py. CPU time of one core for 256 images of 32x32, median of 20, ours against kornia 0.9:
crop and flip 3.0 ms against 5.6 (its crop alone, by slices) or 4.6 (by resampling), hue 4.1 ms against 14.3,
ContrastiveViews 9.9 ms against 22.0.

Letters: B rows, H height, W width.
"""

import math
from abc import ABC, abstractmethod

import torch
from kornia.color import rgb_to_grayscale
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.data.augment import color_jitter, crops, draws
from unlearning_pl.errors import require


class Views(nn.Module, ABC):
    """Base class of random views; a new policy is a subclass that implements ``forward``."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""

    @override
    def extra_repr(self) -> str:
        """Arguments of the policy, which are its public attributes."""
        given = {name: value for name, value in vars(self).items() if name != "training" and name[0] != "_"}
        return ", ".join(
            f"{name}={value:g}" if type(value) is float else f"{name}={value}" for name, value in given.items()
        )


class JitterViews(Views):
    """Slightly rotated, shifted, scaled and noisy copies, for images that must not be mirrored, such as digits.

    Pixels from outside of the image are black.

    Args:
        degrees: Largest rotation to either side, in degrees.
        translate: Largest shift along each axis, as a fraction of height or width.
        scale: Largest change of size: the factor is drawn from ``[1 - scale, 1 + scale]``.
        noise: Standard deviation of the Gaussian noise added to each pixel.

    Raises:
        InputError: If a strength is negative or ``scale`` is not below 1.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> JitterViews()(torch.rand(2, 3, 16, 16)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(self, degrees: float = 10.0, translate: float = 0.1, scale: float = 0.1, noise: float = 0.05) -> None:
        super().__init__()
        self.degrees = _in_range("degrees", degrees, 0, math.inf)
        self.translate = _in_range("translate", translate, 0, math.inf)
        self.scale = _in_range("scale", scale, 0, 0.99)
        self.noise = _in_range("noise", noise, 0, math.inf)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""
        height, width = images.shape[-2:]
        angle = draws.uniform(images, -self.degrees, self.degrees) * (math.pi / 180)
        size = draws.uniform(images, 1 - self.scale, 1 + self.scale)
        # Coordinates run from -1 to 1 along both axes; the aspect ratio keeps a rotation rigid.
        cos, sin = angle.cos() / size, angle.sin() / size
        x = [cos, -sin * height / width, 2 * draws.uniform(images, -self.translate, self.translate)]
        y = [sin * width / height, cos, 2 * draws.uniform(images, -self.translate, self.translate)]
        moved = crops.affine_sample(images, [x, y], padding="zeros")
        return (moved + self.noise * torch.randn_like(moved)).clamp(0, 1)


class ContrastiveViews(Views):
    """SimCLR's and MoCo's views: random crop, flip, color jitter, grayscale and, for large images, blur.

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020,
    arXiv 2002.05709, appendix A; aspect ratio of the crop 3/4 to 4/3. A crop longer than the image is cut
    to the image, where torchvision draws again. The generator of the CPU draws the order of the four color operations
    once per batch.

    Args:
        min_scale: Smallest area of a crop, as a fraction of the image, in (0, 1].
        jitter: Strength of brightness, contrast and saturation, whose factors are drawn from
            ``[max(0, 1 - jitter), 1 + jitter]``; the hue rotates by up to ``jitter / 4`` of a turn.
        jitter_p: Probability of color jitter.
        grayscale_p: Probability of grayscale.
        flip_p: Probability of mirroring an image.
        blur: Whether to blur an image with probability 0.5: sigma 0.1 to 2 pixels, kernel a tenth of the height.

    Raises:
        InputError: If an argument is out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> ContrastiveViews()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(
        self,
        min_scale: float = 0.2,
        jitter: float = 0.4,
        jitter_p: float = 0.8,
        grayscale_p: float = 0.2,
        flip_p: float = 0.5,
        blur: bool = False,
    ) -> None:
        super().__init__()
        self.min_scale = _in_range("min_scale", min_scale, 0.001, 1)
        self.jitter = _in_range("jitter", jitter, 0, 2)
        self.jitter_p = _in_range("jitter_p", jitter_p, 0, 1)
        self.grayscale_p = _in_range("grayscale_p", grayscale_p, 0, 1)
        self.flip_p = _in_range("flip_p", flip_p, 0, 1)
        self.blur = blur

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""
        views = self._crop(images)
        views = torch.where(
            draws.bernoulli_mask(views, self.jitter_p), color_jitter.color_jitter(views, self.jitter), views
        )
        views = torch.where(draws.bernoulli_mask(views, self.grayscale_p), rgb_to_grayscale(views), views)
        if self.blur:
            views = torch.where(draws.bernoulli_mask(views, 0.5), color_jitter.gaussian_blur(views), views)
        return views.clamp(0, 1)

    def _crop(self, images: Tensor) -> Tensor:
        area = draws.uniform(images, self.min_scale, 1)
        ratio = draws.uniform(images, math.log(3 / 4), math.log(4 / 3)).exp() * (images.shape[-2] / images.shape[-1])
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        return crops.resize_crop(images, width, height, self.flip_p)


class CropViews(Views):
    """A random crop, resized to the size of the image, and a flip: views that do not change colors.

    Sources: with the defaults, Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv 1409.4842, section
    6, the usual training of a classifier at ImageNet's size; with ``min_scale`` 0.9 and no flip, open_clip's default
    (Ilharco et al., 2021) for image-text pairs, whose captions may mention left and right. A crop that does not fit
    is drawn again, as in torchvision. Deviations: corners may lie between pixels, interpolation at the border of the
    crop reads pixels beside it, and the resizing is bilinear, where open_clip's is bicubic.

    Args:
        min_scale: Smallest area of a crop, as a fraction of the image, in (0, 1].
        ratio: Largest aspect ratio of a crop, in either direction, at least 1.
        flip_p: Probability of mirroring an image.

    Raises:
        InputError: If an argument is out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> CropViews(min_scale=0.9, flip_p=0.0)(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, min_scale: float = 0.08, ratio: float = 4 / 3, flip_p: float = 0.5) -> None:
        super().__init__()
        self.min_scale = _in_range("min_scale", min_scale, 0.001, 1)
        self.ratio = _in_range("ratio", ratio, 1, math.inf)
        self.flip_p = _in_range("flip_p", flip_p, 0, 1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""
        return crops.resize_crop(images, *crops.sample_crop_box(images, self.min_scale, self.ratio), self.flip_p).clamp(
            0, 1
        )


class SupervisedViews(Views):
    """The usual augmentation for training a classifier: a shift by whole pixels and a flip.

    Each side is padded with black, then a crop of the original size is taken. Source: He et al., "Deep Residual
    Learning for Image Recognition", CVPR 2016, arXiv 1512.03385, section 4.2.

    Args:
        padding: Pixels on each side: the largest shift along each axis.
        flip_p: Probability of mirroring an image.

    Raises:
        InputError: If an argument is out of its range.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> SupervisedViews()(torch.rand(2, 3, 32, 32)).shape
        torch.Size([2, 3, 32, 32])
    """

    def __init__(self, padding: int = 4, flip_p: float = 0.5) -> None:
        super().__init__()
        self.padding = int(_in_range("padding", padding, 0, math.inf))
        self.flip_p = _in_range("flip_p", flip_p, 0, 1)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Views of ``images`` ``(B, 3, H, W)`` in ``[0, 1]``, of the same shape and range."""
        shape, device = (2, len(images)), images.device
        shift = torch.randint(-self.padding, self.padding + 1, shape, device=device).to(images.dtype)
        x, y = 2 * shift[0] / images.shape[-1], 2 * shift[1] / images.shape[-2]
        none = torch.zeros_like(x)
        theta = [[draws.random_flip_sign(images, self.flip_p), none, x], [none, none + 1, y]]
        return crops.affine_sample(images, theta, padding="zeros", mode="nearest")


def _in_range(name: str, value: float, low: float, high: float) -> float:
    bounds = f">= {low}" if high == math.inf else f"from {low} to {high}"
    require(
        low <= value <= high and math.isfinite(value),
        f"Expected views.{name} {bounds}, got {value}. Choose a value in that range.",
    )
    return value
