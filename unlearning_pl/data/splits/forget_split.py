"""Which images are retained, forgotten, held out and tested on.

A position counts through the pool: the training images, then the test images.
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

_VALIDATION_SEED = (0, 1)  # a stream of its own, so that it is not the draw of a request with seed 0


class Step(NamedTuple):
    """What one run was asked to forget, and its share of all that is forgotten.

    Attributes:
        request: What was asked.
        forget: The training images that it meant, ``(n,)`` int64, sorted.
    """

    request: ForgetRequest
    forget: Tensor


@dataclass(frozen=True, eq=False)
class Splits:
    """Positions in the pool of training and test images; two are equal if they split equal data equally.

    Attributes:
        retain: Training images to keep, ``(n,)`` int64, sorted, as are all of these.
        forget: Training images that this run is asked to remove.
        validation: Training images that are held out and never trained on.
        test: The test images.
        fingerprint: SHA-256 of the data, see :func:`fingerprint`.
        request: What ``forget`` was made from.
        earlier: What the runs before this one removed, oldest first.
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
        """What was forgotten run by run, oldest first; this run's own share is the last."""
        return *self.earlier, Step(self.request, self.forget)

    @property
    def forgotten(self) -> Tensor:
        """Everything to be gone after this run: the shares of all steps together, sorted."""
        return torch.cat([step.forget for step in self.steps]).sort().values

    @property
    def train(self) -> Tensor:
        """What the original is trained on: retain and all that is forgotten, sorted."""
        return torch.cat([self.retain, self.forgotten]).sort().values

    def counts(self) -> dict[str, int]:
        """Number of images in each split; ``forget`` counts the shares of all steps."""
        parts = {"retain": self.retain, "forget": self.forgotten, "validation": self.validation, "test": self.test}
        return {name: len(rows) for name, rows in parts.items()}

    def _parts(self) -> tuple[Tensor, ...]:
        return self.retain, self.validation, self.test, *(step.forget for step in self.steps)


def fingerprint(train: ImageSet, test: ImageSet) -> str:
    """SHA-256 over shapes, pixels, targets, ids and captions of both sets: other data or another order, another value.

    Of images that are streamed it takes how many bytes each has on disk, in place of the pixels.

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

    What is held out depends on the number of training images alone, not on the request, so that an original
    trained without a request and a model retrained with one hold out the same images.

    Args:
        train: Training images.
        test: Test images.
        request: What to forget among the training images that are not held out; nothing by default.
        validation: Share of the training images to hold out, in ``[0, 1)``.

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
        f"Expected validation from 0 to below 1, got {validation} of {n} training images. Choose a share such as 0.1.",
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
    """The same validation and test images, another forget set: unlearning starts from the split of an earlier run.

    Args:
        splits: Those of the earlier run, which may have had nothing to forget.
        train: The training images that they are of.
        test: The test images that they are of.
        request: What to forget.
        further: Whether it comes on top of what the earlier run forgot, and chooses among what that run retained.
            Otherwise it takes the place of the earlier request, and chooses among all images trained on.

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
