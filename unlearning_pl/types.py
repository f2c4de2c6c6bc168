"""Samples and batches of a training step.

Letters: B rows of a batch, C channels, H height, W width.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Split = Literal["train", "retain", "forget", "forgotten", "validation", "test"]


class Pixels(NamedTuple):
    """Normalisation of images in [0, 1] that an encoder expects.

    Attributes:
        mean: Mean of each channel.
        std: Standard deviation of each channel.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Sample(NamedTuple):
    """Rows of one stream as tensors on the device.

    Attributes:
        views: Augmented copies of the same rows, each ``(B, C, H, W)``.
        target: Class of each row, ``(B,)`` int64.
        index: Position of each row in the data module's pool, ``(B,)`` int64.
        text: Tokens of one caption of each row, ``(B, L)`` int64, or, in an audit, of all K captions of each row,
            ``(B, K, L)``; None if the learner reads no text.
        partner: Position of the image whose positive each row has, ``(B,)`` int64; None if each has its own. Losses
            whose negatives are the batch leave out the own pair of a row that has another's positive.
    """

    views: tuple[Tensor, ...]
    target: Tensor
    index: Tensor  # type: ignore[assignment]  # shadows tuple.index, which no code here uses
    text: Tensor | None = None
    partner: Tensor | None = None

    def take(self, rows: Tensor | slice) -> "Sample":
        """Select rows.

        Example:
            >>> sample = Sample((torch.zeros(3, 1),), torch.arange(3), torch.arange(3))
            >>> sample.take(slice(1, None)).target
            tensor([1, 2])
        """
        text = None if self.text is None else self.text[rows]
        return Sample(tuple(view[rows] for view in self.views), self.target[rows], self.index[rows], text)


Batch = Mapping[Split, Sample]


def concat_streams(batch: Batch) -> tuple[Sample, Tensor]:
    """Join all streams of a batch into one sample, so that one pass shares negatives and BatchNorm statistics.

    Args:
        batch: The streams of a step; every sample has the same number of views.

    Returns:
        The rows of all streams, concatenated in the order of the batch, and a mask ``(B,)``, true for rows of the
        forget stream. Of a single stream the tensors are the stream's own.

    Example:
        >>> rows = lambda n: Sample((torch.zeros(n, 1, 2, 2),), torch.zeros(n), torch.arange(n))
        >>> sample, forget = concat_streams({"retain": rows(3), "forget": rows(1)})
        >>> sample.views[0].shape, forget.tolist()
        (torch.Size([4, 1, 2, 2]), [False, False, False, True])
    """
    samples = list(batch.values())
    masks = [torch.full_like(rows.target, name == "forget", dtype=torch.bool) for name, rows in batch.items()]
    if len(samples) == 1:
        return samples[0]._replace(partner=None), masks[0]
    views = tuple(torch.cat(view) for view in zip(*(sample.views for sample in samples), strict=True))
    target = torch.cat([sample.target for sample in samples])
    index = torch.cat([sample.index for sample in samples])
    texts = [sample.text for sample in samples if sample.text is not None]
    return Sample(views, target, index, torch.cat(texts) if texts else None), torch.cat(masks)
