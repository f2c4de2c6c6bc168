"""Random views: augmented copies of a whole batch at once, on its device, each row with its own parameters.

The operations are in draws.py, crops.py (one :func:`torch.nn.functional.grid_sample` for crop and flip) and
color_jitter.py. CPU time of one core for 256 images of 32x32, median of 20, ours against kornia 0.9:
crop and flip 3.0 ms against 5.6 (its crop alone, by slices) or 4.6 (by resampling), hue 4.1 ms against 14.3,
ContrastiveViews 9.9 ms against 22.0.

Letters: B rows, H height, W width.
"""

import math

import torch
from kornia.color import rgb_to_grayscale
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data.augment import color_jitter, crops, draws
from unlearning_pl.data.augment.views import DrawnViews
from unlearning_pl.data.augment.views import Views as Views
from unlearning_pl.errors import require

_UNIT = (0.0, 1.0)


class JitterViews(DrawnViews):
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

    @override
    def draw(self, images: Tensor) -> tuple[Tensor, ...]:
        shift = (-self.translate, self.translate)
        bounds = ((-self.degrees, self.degrees), (1 - self.scale, 1 + self.scale), shift, shift)
        return *draws.uniforms(images, *bounds), torch.randn_like(images, memory_format=torch.contiguous_format)

    @override
    def transform(self, images: Tensor, *drawn: Tensor) -> Tensor:
        degrees, size, across, down, noise = drawn
        height, width = images.shape[-2:]
        angle = degrees * (math.pi / 180)
        # Coordinates run from -1 to 1 along both axes; the aspect ratio keeps a rotation rigid.
        cos, sin = angle.cos() / size, angle.sin() / size
        theta = [[cos, -sin * height / width, 2 * across], [sin * width / height, cos, 2 * down]]
        return (crops.affine_sample(images, theta, padding="zeros") + self.noise * noise).clamp(0, 1)


class ContrastiveViews(DrawnViews):
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

    @override
    def draw(self, images: Tensor) -> tuple[Tensor, ...]:
        box = ((self.min_scale, 1), (math.log(3 / 4), math.log(4 / 3)), *crops.PLACE)
        first = draws.uniforms(images, *box, _UNIT)
        order = torch.randperm(4)
        blur = (_UNIT, (0.1, 2.0)) if self.blur else ()
        return *first, order, *draws.uniforms(images, *color_jitter.factor_bounds(order, self.jitter), _UNIT, *blur)

    @override
    def transform(self, images: Tensor, *drawn: Tensor) -> Tensor:
        area, log_ratio, *place, jittered, order = drawn[:7]
        *factors, gray = drawn[7:12]
        ratio = log_ratio.exp() * (images.shape[-2] / images.shape[-1])
        width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        views = crops.resize_crop(images, width, height, place, self.flip_p)
        changed = color_jitter.color_jitter(views, order, factors)
        views = torch.where(draws.bernoulli_mask(jittered, self.jitter_p), changed, views)
        views = torch.where(draws.bernoulli_mask(gray, self.grayscale_p), rgb_to_grayscale(views), views)
        if self.blur:
            blurred, sigma = drawn[12:]
            views = torch.where(draws.bernoulli_mask(blurred, 0.5), color_jitter.gaussian_blur(views, sigma), views)
        return views.clamp(0, 1)


class CropViews(DrawnViews):
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

    @override
    def draw(self, images: Tensor) -> tuple[Tensor, ...]:
        return crops.draw_boxes(images), *draws.uniforms(images, *crops.PLACE)

    @override
    def transform(self, images: Tensor, *drawn: Tensor) -> Tensor:
        width, height = crops.first_box(images, drawn[0], self.min_scale, self.ratio)
        return crops.resize_crop(images, width, height, drawn[1:], self.flip_p).clamp(0, 1)


class SupervisedViews(DrawnViews):
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

    @override
    def draw(self, images: Tensor) -> tuple[Tensor, ...]:
        shape, device = (2, len(images)), images.device
        return torch.randint(-self.padding, self.padding + 1, shape, device=device), *draws.uniforms(images, _UNIT)

    @override
    def transform(self, images: Tensor, *drawn: Tensor) -> Tensor:
        shift, flip = drawn[0].to(images.dtype), drawn[1]
        x, y = 2 * shift[0] / images.shape[-1], 2 * shift[1] / images.shape[-2]
        none = torch.zeros_like(x)
        theta = [[draws.flip_sign(flip, self.flip_p), none, x], [none, none + 1, y]]
        return crops.affine_sample(images, theta, padding="zeros", mode="nearest")


def _in_range(name: str, value: float, low: float, high: float) -> float:
    bounds = f">= {low}" if high == math.inf else f"from {low} to {high}"
    require(
        low <= value <= high and math.isfinite(value),
        f"Expected views.{name} {bounds}, got {value}. Choose a value in that range.",
    )
    return value
