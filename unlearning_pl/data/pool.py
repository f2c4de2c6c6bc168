"""The pool: all images of a run in one sequence.

Letters: B rows of a batch, N images of the pool, H height, W width.
"""

import torch
from torch import Tensor

from unlearning_pl.data.captions import Captions
from unlearning_pl.data.sources.source import Source
from unlearning_pl.errors import require
from unlearning_pl.images.encoded_images import EncodedImages
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.packed_strings import PackedStrings
from unlearning_pl.types import Pixels


class ConcatImages:
    """Concatenate the images of two sets without a copy of either.

    Args:
        train: Training images, in memory or streamed.
        test: Test images, in memory or streamed, of the same height and width.

    Raises:
        InputError: If height and width differ.

    Example:
        >>> images = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1)
        >>> ConcatImages(images[:3], images[3:]).read(torch.tensor([4, 0, 3])).flatten().tolist()
        [4, 0, 3]
    """

    def __init__(self, train: Tensor | EncodedImages, test: Tensor | EncodedImages) -> None:
        train_shape, test_shape = tuple(train.shape[1:]), tuple(test.shape[1:])
        require(
            train_shape == test_shape,
            f"Expected training and test images of one shape, got {train_shape} and {test_shape}. "
            "Set image_size to resize all.",
        )
        self.train, self.test = train, test

    @property
    def streamed(self) -> bool:
        """Whether some of the images are decoded when they are read."""
        return isinstance(self.train, EncodedImages) or isinstance(self.test, EncodedImages)

    def read(self, index: Tensor) -> Tensor:
        """Read the images at ``index`` ``(B,)``: ``(B, 3, H, W)`` uint8, on the CPU."""
        rows = index.cpu()
        in_test = rows >= len(self.train)
        if not in_test.any():
            return _read(self.train, rows)
        if in_test.all():
            return _read(self.test, rows - len(self.train))
        images = torch.empty((len(rows), *self.train.shape[1:]), dtype=torch.uint8)
        images[~in_test] = _read(self.train, rows[~in_test])
        images[in_test] = _read(self.test, rows[in_test] - len(self.train))
        return images

    def on_device(self, device: torch.device) -> Tensor | None:
        """Copy all images to a device, ``(N, 3, H, W)``; None if they are streamed or too large, or for the CPU."""
        if not (isinstance(self.train, Tensor) and isinstance(self.test, Tensor)) or device.type == "cpu":
            return None
        if device.type == "cuda" and self.train.nbytes + self.test.nbytes > torch.cuda.mem_get_info(device)[0] // 4:
            return None
        images = torch.empty(
            (len(self.train) + len(self.test), *self.train.shape[1:]), dtype=torch.uint8, device=device
        )
        images[: len(self.train)].copy_(self.train)
        images[len(self.train) :].copy_(self.test)
        return images


def _read(images: Tensor | EncodedImages, rows: Tensor) -> Tensor:
    return images.read(rows) if isinstance(images, EncodedImages) else images[rows]


class Pool:
    """Training images, then test images, as uint8, copied to the device if they are not streamed.

    On CUDA they are copied only if they take at most a quarter of the free memory. Otherwise the pool reads from the
    memory of the two sets and makes no copy.

    Args:
        train: Training images.
        test: Test images.
        source: Source of the images; its channel statistics normalise them.
    """

    def __init__(self, train: ImageSet, test: ImageSet, source: Source) -> None:
        self.ids = PackedStrings(train.ids) + PackedStrings(test.ids)
        captioned = train.captions is not None and test.captions is not None
        self.captions = [*(train.captions or ()), *(test.captions or ())] if captioned else None
        self._text: Captions | None = None
        self.images = ConcatImages(train.images, test.images)
        self._on_device: Tensor | None = None
        self._targets = torch.cat([train.targets, test.targets])
        self._mean = torch.tensor(source.mean).view(-1, 1, 1)
        self._std = torch.tensor(source.std).view(-1, 1, 1)

    def rows_at(self, index: Tensor, images: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Images in [0, 1], ``(B, 3, H, W)``, and targets, ``(B,)``, at positions ``(B,)``, on the device of these.

        ``images`` are the uint8 images if a worker has already read them.
        """
        if self._mean.device != index.device:
            self._move(index.device)
        if images is None and self._on_device is not None:
            images = self._on_device[index]
        elif images is None:
            images = self.images.read(index).to(index.device, non_blocking=True)
        return images.float() / 255, self._targets[index]

    def text(self, context_length: int) -> Captions:
        """Captions as tokens, tokenized once per context length.

        Raises:
            InputError: If the images have no captions.
        """
        if self._text is None or self._text.context_length != context_length:
            require(
                self.captions is not None,
                "Expected images with captions for a learner that reads text, got a source without. "
                "Choose another source, or wrap it in TemplateCaptions.",
            )
            self._text = Captions(self.captions or [], context_length)
        return self._text

    def normalise(self, images: Tensor, pixels: Pixels | None = None) -> Tensor:
        """Normalise images in [0, 1] by the source's channel statistics, or by the encoder's own ``pixels``."""
        if pixels is None:
            return (images - self._mean) / self._std
        mean, std = (images.new_tensor(values).view(-1, 1, 1) for values in pixels)
        return (images - mean) / std

    def _move(self, device: torch.device) -> None:
        self._on_device = self.images.on_device(device)
        self._targets, self._mean, self._std = (x.to(device) for x in (self._targets, self._mean, self._std))
