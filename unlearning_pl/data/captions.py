"""Captions as tokens.

Letters: B rows of a batch, N images, K most captions of one image, M captions of all images, L tokens of a caption.
"""

from collections.abc import Sequence
from importlib.util import find_spec

import torch
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.functional.connected_groups import connected_groups

_BATCH = 4096  # captions that are tokenized at a time


def tokenize(captions: Sequence[str], context_length: int) -> Tensor:
    """Tokenize captions with open_clip's byte pair encoding: start, words, end, then zeros; longer captions are cut.

    Args:
        captions: Texts.
        context_length: L.

    Returns:
        ``(M, L)`` int32.

    Raises:
        InputError: If open_clip is not installed.

    Example:
        >>> tokenize(["a cat"], 6).tolist()
        [[49406, 320, 2368, 49407, 0, 0]]
    """
    if find_spec("open_clip") is None:
        raise InputError("Expected open_clip to read captions, got none. Run pip install 'unlearning-pl[clip]'.")
    from open_clip import SimpleTokenizer

    tokenizer = SimpleTokenizer(context_length=context_length)
    starts = range(0, len(captions), _BATCH)
    return torch.cat([tokenizer(list(captions[start : start + _BATCH])).int() for start in starts])


class Captions:
    """The captions of N images as tokens, on the device of the index.

    Args:
        captions: One or more captions of each image.
        context_length: L.

    Example:
        >>> captions = Captions([("a cat",), ("a dog", "a brown dog")], context_length=6)
        >>> captions.all(torch.tensor([0, 1])).shape
        torch.Size([2, 2, 6])
    """

    def __init__(self, captions: Sequence[tuple[str, ...]], context_length: int) -> None:
        self.context_length = context_length
        self._count = torch.tensor([len(texts) for texts in captions])
        self._start = self._count.cumsum(0) - self._count
        self._tokens = tokenize([text for texts in captions for text in texts], context_length)

    def draw(self, index: Tensor) -> Tensor:
        """Draw a random caption of each image of ``index`` ``(B,)``: ``(B, L)`` int64."""
        self._move(index.device)
        exact = torch.float32 if index.device.type == "mps" else torch.float64  # Apple's devices have no float64
        fraction = torch.rand(len(index), device=index.device, dtype=exact)
        return self._tokens[self._start[index] + (fraction * self._count[index]).long()].long()

    def first(self, index: Tensor) -> Tensor:
        """First caption of each image: ``(B, L)`` int64."""
        self._move(index.device)
        return self._tokens[self._start[index]].long()

    def all(self, index: Tensor) -> Tensor:
        """All captions of each image, ``(B, K, L)`` int64; rows of zeros pad an image with fewer than K captions."""
        self._move(index.device)
        columns = torch.arange(int(self._count.max()), device=index.device)
        valid = columns < self._count[index, None]
        rows = self._start[index, None] + columns.where(valid, torch.zeros_like(columns))
        return self._tokens[rows].long() * valid[..., None]

    def groups(self) -> Tensor:
        """Group of each image, ``(N,)`` int64 on the CPU: images with a caption in common are in one group."""
        tokens, count = self._tokens.cpu(), self._count.cpu()
        text = torch.zeros(len(tokens), dtype=torch.int64)
        for column in tokens.T:  # a hash: equal for equal texts, and a collision could only join two groups
            text = text * 6364136223846793005 + column
        return connected_groups(torch.arange(len(count)).repeat_interleave(count), text, len(count))

    def _move(self, device: torch.device) -> None:
        if self._tokens.device != device:
            self._count, self._start, self._tokens = (x.to(device) for x in (self._count, self._start, self._tokens))
