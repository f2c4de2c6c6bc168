"""Splits: which images are retained, forgotten, held out and tested on.

A position is an index into the pool: the training images, then the test images.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.splits.request_rows import resolve_request, seeded_permutation
from unlearning_pl.errors import require
from unlearning_pl.images.encoded_images import EncodedImages
from unlearning_pl.images.image_set import ImageSet

_VALIDATION_SEED = (0, 1)  # not 0, the default seed of a request, so that the two draws differ


class Step(NamedTuple):
    """The request of one run, and the images that it forgets.

    Attributes:
        request: The request.
        forget: Training images of the request, ``(n,)`` int64, sorted.
    """

    request: ForgetRequest
    forget: Tensor


@dataclass(frozen=True, eq=False)
class Splits:
    """Positions of each split in the pool; two objects are equal if they split the same data in the same way.

    Attributes:
        retain: Training images to keep, ``(n,)`` int64, sorted, as are all the others.
        forget: Training images that this run is asked to remove.
        validation: Held-out training images, never trained on.
        test: The test images.
        fingerprint: SHA-256 of the data, see :func:`fingerprint`.
        request: The request that ``forget`` results from.
        earlier: Steps of the earlier runs, oldest first.
    """

    retain: Tensor
    forget: Tensor
    validation: Tensor
    test: Tensor
    fingerprint: str
    request: ForgetRequest
    earlier: tuple[Step, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Splits):
            return NotImplemented
        ours, theirs = self._parts(), other._parts()
        same = len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))
        return same and self.fingerprint == other.fingerprint

    __hash__ = None  # type: ignore[assignment]

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all runs, oldest first; this run's own is the last."""
        return *self.earlier, Step(self.request, self.forget)

    @property
    def forgotten(self) -> Tensor:
        """All images to be forgotten after this run: the forget sets of all steps together, sorted."""
        return torch.cat([step.forget for step in self.steps]).sort().values

    @property
    def train(self) -> Tensor:
        """Images that the original is trained on: the retain set and all forgotten images, sorted."""
        return torch.cat([self.retain, self.forgotten]).sort().values

    def counts(self) -> dict[str, int]:
        """Number of images in each split; ``forget`` counts the images of all steps."""
        parts = {"retain": self.retain, "forget": self.forgotten, "validation": self.validation, "test": self.test}
        return {name: len(rows) for name, rows in parts.items()}

    def _parts(self) -> tuple[Tensor, ...]:
        return self.retain, self.validation, self.test, *(step.forget for step in self.steps)


def fingerprint(train: ImageSet, test: ImageSet) -> str:
    """SHA-256 over shapes, pixels, targets, ids and captions of both sets, in order.

    For streamed images the number of bytes of each encoded image replaces its pixels.

    Example:
        >>> images = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.tensor([0, 1]), ["a", "b"], ["x", "y"])
        >>> fingerprint(pair, pair)[:12] == fingerprint(pair, pair.take([1, 0]))[:12]
        False
    """
    digest = hashlib.sha256()
    for part in (train, test):
        header: dict[str, Any] = {"shape": [*part.images.shape], "targets": part.targets.tolist(), "ids": [*part.ids]}
        if part.captions is not None:
            header["captions"] = part.captions
        digest.update(json.dumps(header).encode())
        images = part.images
        digest.update(images.digest if isinstance(images, EncodedImages) else images.contiguous().numpy().data)
    return digest.hexdigest()


def make_splits(
    train: ImageSet, test: ImageSet, request: ForgetRequest | None = None, validation: float = 0.0
) -> Splits:
    """Split the data for a forget request.

    The held-out images depend only on the number of training images and the validation fraction, not on the request, so
    that an original trained without a request and a model retrained with one hold out the same images.

    Args:
        train: Training images.
        test: Test images.
        request: Request among the training images that are not held out; nothing by default.
        validation: Fraction of the training images to hold out, in ``[0, 1)``.

    Raises:
        InputError: If ``validation`` is out of range or the request cannot be met.

    Example:
        >>> images = torch.zeros(10, 3, 1, 1, dtype=torch.uint8)
        >>> train = ImageSet(images, torch.zeros(10, dtype=torch.int64), list("abcdefghij"), ["all"])
        >>> test = ImageSet(images, train.targets, list("klmnopqrst"), ["all"])
        >>> make_splits(train, test, ForgetRequest(fraction=0.25), validation=0.2).counts()
        {'retain': 6, 'forget': 2, 'validation': 2, 'test': 10}
    """
    n = len(train)
    held_out = max(1, round(validation * n)) if validation > 0 else 0
    require(
        0 <= validation < 1 and held_out < n,
        f"Expected validation from 0 to below 1, got {validation} of {n} training images. "
        "Choose a fraction such as 0.1.",
    )
    both = set(train.ids).intersection(test.ids)
    require(
        not both,
        f"Expected other ids for test images, got {min(both, default='')!r} twice. Correct the source.",
    )
    order = torch.from_numpy(seeded_permutation(n, _VALIDATION_SEED))
    splits = Splits(
        retain=order[held_out:].sort().values,
        forget=order[:0],
        validation=order[:held_out].sort().values,
        test=torch.arange(n, n + len(test)),
        fingerprint=fingerprint(train, test),
        request=ForgetRequest(),
    )
    return splits if request is None else with_request(splits, train, test, request)


def with_request(
    splits: Splits, train: ImageSet, test: ImageSet, request: ForgetRequest, further: bool = False
) -> Splits:
    """Replace the forget set and keep validation and test images: unlearning starts from the split of an earlier run.

    Args:
        splits: Splits of the earlier run, which may have had no request.
        train: Training images of the splits.
        test: Test images of the splits.
        request: Which images to forget.
        further: Whether the request adds to the images that the earlier run forgot, and chooses among those that it
            retained. Otherwise it replaces the earlier request, and chooses among all images trained on.

    Raises:
        InputError: If the request cannot be met.

    Example:
        >>> images = torch.zeros(4, 3, 1, 1, dtype=torch.uint8)
        >>> train = ImageSet(images, torch.zeros(4, dtype=torch.int64), list("abcd"), ["all"])
        >>> test = ImageSet(images, train.targets, list("efgh"), ["all"])
        >>> first = with_request(make_splits(train, test), train, test, ForgetRequest(ids=["d"]))
        >>> second = with_request(first, train, test, ForgetRequest(ids=["b"]), further=True)
        >>> first.forget.tolist(), second.forget.tolist(), second.forgotten.tolist()
        ([3], [1], [1, 3])
    """
    assert len(splits.train) + len(splits.validation) == len(train), "splits of other training images"
    candidates, earlier = (splits.retain, splits.steps) if further else (splits.train, ())
    forgotten = {train.ids[row] for step in earlier for row in step.forget.tolist()}
    forget = resolve_request(request, train, candidates, frozenset(test.ids), forgotten)
    retain = candidates[~torch.isin(candidates, forget)]
    return replace(splits, retain=retain, forget=forget, request=request, earlier=earlier)
