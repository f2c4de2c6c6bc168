"""All images of a run in one tensor.

Letters: B rows of a batch, N images of the pool, H height, W width.
"""

import torch
from torch import Tensor

from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.data.sources import Source
from unlearning_pl.data.text import Captions
from unlearning_pl.errors import require
from unlearning_pl.sample import Pixels


class Pool:
    """Training images, then test images, as uint8, on the device where they take at most a quarter of its memory.

    Args:
        train: Training images.
        test: Test images.
        source: Where they come from; its channel statistics normalise them.
    """

    def __init__(self, train: ImageSet, test: ImageSet, source: Source) -> None:
        self.ids = train.ids + test.ids
        known = train.captions is not None and test.captions is not None
        self.captions = [*(train.captions or ()), *(test.captions or ())] if known else None
        self._read: Captions | None = None
        self._images = torch.cat([train.images, test.images])
        self._near = self._images
        self._targets = torch.cat([train.targets, test.targets])
        self._mean = torch.tensor(source.mean).view(-1, 1, 1)
        self._std = torch.tensor(source.std).view(-1, 1, 1)

    def look_up(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images in [0, 1], ``(B, 3, H, W)``, and targets, ``(B,)``, of positions ``(B,)``, on their device."""
        if self._mean.device != index.device:
            self._move(index.device)
        images = self._near[index.to(self._near.device)].to(index.device, non_blocking=True)
        return images.float() / 255, self._targets[index]

    def text(self, context_length: int) -> Captions:
        """The captions as tokens, made once for each length.

        Raises:
            InputError: If the images have no captions.
        """
        if self._read is None or self._read.context_length != context_length:
            require(
                self.captions is not None,
                "Expected images with captions for a learner that reads text, got a source without. "
                "Choose another source, or put TemplateCaptions around it.",
            )
            self._read = Captions(self.captions or [], context_length)
        return self._read

    def normalise(self, images: Tensor, pixels: Pixels | None = None) -> Tensor:
        """Images in [0, 1] as an encoder sees them: by the source's channel statistics, or by its own."""
        if pixels is None:
            return (images - self._mean) / self._std
        mean, std = (images.new_tensor(values).view(-1, 1, 1) for values in pixels)
        return (images - mean) / std

    def _move(self, device: torch.device) -> None:
        fits = device.type != "cuda" or self._images.nbytes <= torch.cuda.mem_get_info(device)[0] // 4
        self._near = self._images.to(device) if fits else self._images
        self._targets, self._mean, self._std = (x.to(device) for x in (self._targets, self._mean, self._std))
