"""Resizing of decoded images to the size that a model takes.

Letters: S height and width of the result.
"""

from dataclasses import dataclass
from math import floor
from typing import Literal

from PIL import Image, ImageOps

from unlearning_pl.errors import require

Interpolation = Literal["bilinear", "bicubic", "nearest"]
Style = Literal["torchvision", "transformers"]


@dataclass(frozen=True)
class Resize:
    """Resize the shorter side of an image, then crop the centre: the evaluation transform of many libraries.

    It equals ``Resize(shorter_side)`` and ``CenterCrop(size)`` of torchvision on Pillow images, pixel by pixel; with
    ``squash``, ``Resize((shorter_side, shorter_side))`` and the crop; or what image processors of transformers do.

    Args:
        size: S, height and width of the crop.
        shorter_side: Length of the shorter side before the crop, at least ``size``; ``size`` by default.
        interpolation: Filter of Pillow.
        squash: Resize both sides to the length, so that the image is distorted and nothing of it is cropped where the
            length is ``size``, as some models of timm, open_clip and transformers take their images.
        style: ``torchvision`` (and timm) rounds the corner of the crop, ``transformers`` rounds it down.

    Raises:
        InputError: If a length is out of its range.

    Example:
        >>> Resize(224, shorter_side=256)(Image.new("RGB", (640, 480))).size
        (224, 224)
    """

    size: int
    shorter_side: int | None = None
    interpolation: Interpolation = "bilinear"
    squash: bool = False
    style: Style = "torchvision"

    def __post_init__(self) -> None:
        _require_size(self.size)
        require(
            self.shorter_side is None or self.shorter_side >= self.size,
            f"Expected image_size.shorter_side >= image_size.size = {self.size}, got {self.shorter_side}. "
            "Give the length before the crop, or leave it out.",
        )

    def __str__(self) -> str:
        sides = "both sides" if self.squash else "shorter side"
        return f"{sides} {self.shorter_side or self.size}, {self.interpolation}, centre {self.size}"

    def __call__(self, image: Image.Image) -> Image.Image:
        """The resized and cropped image."""
        short = self.shorter_side or self.size
        width, height = image.size
        least = min(width, height)
        sides = (short, short) if self.squash else (int(short * width / least), int(short * height / least))
        if sides != image.size:
            image = image.resize(sides, Image.Resampling[self.interpolation.upper()])
        corner = round if self.style == "torchvision" else floor
        left, top = (corner((side - self.size) / 2.0) for side in sides)
        return image.crop((left, top, left + self.size, top + self.size))


ImageSize = int | Resize
"""Height and width to which the largest centred square is resized bilinearly, or a :class:`Resize`."""


def resize(image: Image.Image, image_size: ImageSize | None) -> Image.Image:
    """Resize an image; None keeps its size.

    Example:
        >>> resize(Image.new("RGB", (6, 4)), 2).size
        (2, 2)
    """
    if image_size is None:
        return image
    if isinstance(image_size, Resize):
        return image_size(image)
    return ImageOps.fit(image, (image_size, image_size), Image.Resampling.BILINEAR)


def side_of(image_size: ImageSize | None) -> int | None:
    """Height and width of the resized images; None if they keep their size.

    Raises:
        InputError: If it is not positive.

    Example:
        >>> side_of(Resize(224, 256)), side_of(32)
        (224, 32)
    """
    side = image_size.size if isinstance(image_size, Resize) else image_size
    if side is not None:
        _require_size(side)
    return side


def _require_size(size: int) -> None:
    require(size >= 1, f"Expected image_size >= 1, got {size}. Choose a size in pixels, or leave it out.")
