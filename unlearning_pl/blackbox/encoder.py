"""The interface of a black-box model: images in, vectors out.

Letters: B rows of a batch, H height, W width, D dimensions of a vector.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from unlearning_pl.errors import InputError, require
from unlearning_pl.images.resizing import Resize

BATCH = 256
"""Default maximum batch size of a model."""


@dataclass(frozen=True)
class Pixels:
    """Preprocessing of the images of a model: size and normalisation.

    Args:
        mean: Subtracted from pixels in [0, 1]: one number, or one for each channel.
        std: Divisor after that: one number, or one for each channel.
        image_size: Height and width, for a model that does not state it.

    Raises:
        InputError: If there are neither one nor three numbers, or ``std`` or the size is not positive.

    Example:
        >>> Pixels(mean=(0.5,), std=(0.25,)).normalise(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)).unique()
        tensor([2.])
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    image_size: int | None = None

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            require(
                len(values) in (1, 3) and bool(np.isfinite(values).all()),
                f"Expected one or three numbers as {name}, got {list(values)}. Give those of the training.",
            )
        require(min(self.std) > 0, f"Expected std > 0, got {list(self.std)}. Give 1 where nothing is divided.")
        require(
            self.image_size is None or self.image_size >= 1,
            f"Expected image_size >= 1, got {self.image_size}. Give the height and width in pixels.",
        )

    def normalise(self, images: Tensor) -> Tensor:
        """Convert images ``(B, H, W, 3)`` uint8 to normalised model input ``(B, 3, H, W)`` float32."""
        mean, std = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (self.mean, self.std))
        return (images.permute(0, 3, 1, 2).float() / 255 - mean) / std

    def size(self, known: int | None, address: str) -> tuple[int, int]:
        """Height and width: ``known``, as stated by the model, takes precedence over ``image_size``.

        Raises:
            InputError: If both are None.
        """
        side = self.image_size if known is None else known
        if side is None:
            raise InputError(
                f"Expected the size of images that {address} takes, got none. Give --image_size, the height and width "
                "that it was trained with."
            )
        return side, side


class Encoder:
    """Maps images to vectors, and validates the output of the model.

    Args:
        name: Name in messages and reports: its address.
        embed: Maps images ``(B, H, W, 3)`` uint8 to an array or tensor ``(B, D)``.
        image_size: Height and width of its images.
        batch: Maximum batch size of ``embed``.
        dimensions: D, if known; else taken from the first vectors.
        resize: How its images are resized, if it is known; otherwise they are stretched to ``image_size``.

    Example:
        >>> encoder = Encoder("means", lambda images: images.float().mean(dim=(1, 2)), (2, 2))
        >>> encoder(torch.zeros(5, 2, 2, 3, dtype=torch.uint8)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        name: str,
        embed: Callable[[Tensor], Any],
        image_size: tuple[int, int],
        batch: int = BATCH,
        dimensions: int | None = None,
        resize: Resize | None = None,
    ) -> None:
        self.name, self.image_size, self.batch, self.dimensions = name, image_size, batch, dimensions
        self.resize = resize
        self._embed = embed

    def __call__(self, images: "Tensor | np.ndarray[Any, np.dtype[np.uint8]]") -> Tensor:
        """Vectors ``(B, D)``, float32 on the CPU, of images ``(B, H, W, 3)`` uint8.

        Raises:
            InputError: If the images have another shape, or the model does not return one finite vector of the same
                number of dimensions for each.
        """
        pixels = torch.as_tensor(images)
        require(
            pixels.dtype == torch.uint8 and pixels.shape[1:] == (*self.image_size, 3) and len(pixels) > 0,
            f"Expected images (B, {self.image_size[0]}, {self.image_size[1]}, 3) of uint8 for {self.name}, got "
            f"{tuple(pixels.shape)} of {str(pixels.dtype).removeprefix('torch.')}. Resize or convert them.",
        )
        parts = (pixels[start : start + self.batch] for start in range(0, len(pixels), self.batch))
        return torch.cat([self._validate(self._run(part), len(part)) for part in parts])

    def probe(self) -> "Encoder":
        """Embed two images of noise, so that a model that does not work fails early.

        Raises:
            InputError: If the model does not return vectors.
        """
        noise = torch.randint(256, (2, *self.image_size, 3), generator=torch.Generator().manual_seed(0))
        self(noise.to(torch.uint8))
        return self

    def _run(self, images: Tensor) -> Any:
        try:
            return self._embed(images)
        except InputError:
            raise
        except Exception as error:  # each kind of model raises different exceptions
            size = "x".join(map(str, self.image_size))
            raise InputError(
                f"Expected a model that takes images of {size} pixels, got {self.name}, which fails "
                f"({_last_line(error)}). Give another --image_size or another model."
            ) from error

    def _validate(self, output: Any, rows: int) -> Tensor:
        vectors = _as_float32(output)
        if vectors is None or vectors.ndim != 2 or len(vectors) != rows or vectors.shape[1] == 0:
            actual = type(output).__name__ if vectors is None else str(tuple(vectors.shape))
            raise InputError(
                f"Expected one vector per image, ({rows}, D), from {self.name}, got {actual}. Give a model that pools "
                "its output."
            )
        self.dimensions = self.dimensions or vectors.shape[1]
        require(
            vectors.shape[1] == self.dimensions,
            f"Expected vectors of {self.dimensions} dimensions from {self.name} as before, got {vectors.shape[1]}. "
            "Give one model that stays the same.",
        )
        require(
            bool(vectors.isfinite().all()),
            f"Expected finite vectors from {self.name}, got NaN or infinity. Check its weights, --mean and --std.",
        )
        return vectors


def _as_float32(output: Any) -> Tensor | None:
    """Convert an array or tensor of real numbers to float32 on the CPU; None for anything else."""
    if isinstance(output, np.ndarray) and output.dtype.kind in "fiu":
        return torch.from_numpy(output.astype(np.float32))
    if isinstance(output, Tensor) and not output.is_complex() and output.dtype != torch.bool:
        return output.float().cpu()
    return None


def _last_line(error: Exception) -> str:
    """The last line of an error message, because a TorchScript error starts with a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
