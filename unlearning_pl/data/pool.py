"""All images of a run in one tensor.

Letters: B rows of a batch, N images of the pool, H height, W width.
"""

import torch
from torch import Tensor

from unlearning_pl.data.image_set import ImageSet
from unlearning_pl.data.sources import Source


class Pool:
    """Training images, then test images, as uint8, on the device where they take at most a quarter of its memory.

    Args:
        train: Training images.
        test: Test images.
        source: Where they come from; its channel statistics normalise them.
    """

    def __init__(self, train: ImageSet, test: ImageSet, source: Source) -> None:
        self.ids = train.ids + test.ids
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

    def normalise(self, images: Tensor) -> Tensor:
        """Images in [0, 1] as an encoder sees them."""
        return (images - self._mean) / self._std

    def _move(self, device: torch.device) -> None:
        fits = device.type != "cuda" or self._images.nbytes <= torch.cuda.mem_get_info(device)[0] // 4
        self._near = self._images.to(device) if fits else self._images
        self._targets, self._mean, self._std = (x.to(device) for x in (self._targets, self._mean, self._std))
