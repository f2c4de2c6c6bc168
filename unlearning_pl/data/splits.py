"""Which images are retained, forgotten, held out and tested on; drawn once and written down.

A position counts through the pool: the training images, then the test images.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.data.requests import ForgetRequest as ForgetRequest
from unlearning_pl.data.requests import choose, draw
from unlearning_pl.data.sources import ImageSet
from unlearning_pl.errors import InputError, require
from unlearning_pl.files import write_json

_VERSION = 1
_VALIDATION_SEED = (0, 1)  # a stream of its own, so that it is not the draw of a request with seed 0


@dataclass(frozen=True, eq=False)
class Splits:
    """Positions in the pool of training and test images; two are equal if they split equal data equally.

    Attributes:
        retain: Training images to keep, ``(n,)`` int64, sorted, as are all of these.
        forget: Training images to remove.
        validation: Training images that are held out and never trained on.
        test: The test images.
        fingerprint: SHA-256 of the data, see :func:`fingerprint`.
        request: What ``forget`` was made from.
    """

    retain: Tensor
    forget: Tensor
    validation: Tensor
    test: Tensor
    fingerprint: str
    request: ForgetRequest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Splits):
            return NotImplemented
        same = all(torch.equal(mine, its) for mine, its in zip(self._parts(), other._parts(), strict=True))
        return same and self.fingerprint == other.fingerprint

    __hash__ = None  # type: ignore[assignment]

    @property
    def train(self) -> Tensor:
        """What the original is trained on: retain and forget, sorted."""
        return torch.cat([self.retain, self.forget]).sort().values

    def counts(self) -> dict[str, int]:
        """Number of images in each split."""
        return dict(zip(("retain", "forget", "validation", "test"), map(len, self._parts()), strict=True))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.retain, self.forget, self.validation, self.test


def fingerprint(train: ImageSet, test: ImageSet) -> str:
    """SHA-256 over shapes, pixels, targets and ids of both sets: other data or another order, another value.

    Example:
        >>> images = torch.zeros(2, 3, 1, 1, dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.tensor([0, 1]), ["a", "b"], ["x", "y"])
        >>> fingerprint(pair, pair)[:12] == fingerprint(pair, pair.take([1, 0]))[:12]
        False
    """
    digest = hashlib.sha256()
    for part in (train, test):
        header = {"shape": list(part.images.shape), "targets": part.targets.tolist(), "ids": part.ids}
        digest.update(json.dumps(header).encode())
        digest.update(part.images.contiguous().numpy().data)
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
    order = torch.from_numpy(draw(n, _VALIDATION_SEED))
    splits = Splits(
        retain=order[held_out:].sort().values,
        forget=order[:0],
        validation=order[:held_out].sort().values,
        test=torch.arange(n, n + len(test)),
        fingerprint=fingerprint(train, test),
        request=ForgetRequest(),
    )
    return splits if request is None else _with(splits, train, request, test.ids)


def with_request(splits: Splits, train: ImageSet, test: ImageSet, request: ForgetRequest) -> Splits:
    """The same validation and test images, another forget set: unlearning starts from the original's split.

    Args:
        splits: Those of the original, which may have had nothing to forget.
        train: The training images that they are of.
        test: The test images that they are of.
        request: What to forget.

    Raises:
        InputError: If the request cannot be met.

    Example:
        >>> images = torch.zeros(4, 3, 1, 1, dtype=torch.uint8)
        >>> train = ImageSet(images, torch.zeros(4, dtype=torch.int64), list("abcd"), ["all"])
        >>> test = ImageSet(images, train.targets, list("efgh"), ["all"])
        >>> with_request(make_splits(train, test), train, test, ForgetRequest(ids=["b"])).forget.tolist()
        [1]
    """
    return _with(splits, train, request, test.ids)


def _with(splits: Splits, train: ImageSet, request: ForgetRequest, test_ids: Sequence[str]) -> Splits:
    candidates = splits.train
    assert len(candidates) + len(splits.validation) == len(train), "splits of other training images"
    forget = choose(request, train, candidates, frozenset(test_ids))
    retain = candidates[~torch.isin(candidates, forget)]
    return replace(splits, retain=retain, forget=forget, request=request)


def write_manifest(path: str | Path, splits: Splits, ids: Sequence[str]) -> Path:
    """Write ``split.json``: what was asked, what was drawn, and the fingerprint of the data.

    Args:
        path: The file, written whole or not at all.
        splits: What to write.
        ids: Ids of the training images (or of the pool, which starts with them).
    """
    manifest = {
        "version": _VERSION,
        "fingerprint": splits.fingerprint,
        "request": splits.request.given(),
        "counts": splits.counts(),
        "forget": [ids[row] for row in splits.forget.tolist()],
        "validation": [ids[row] for row in splits.validation.tolist()],
    }
    return write_json(path, manifest)


def read_manifest(path: str | Path, train: ImageSet, test: ImageSet) -> Splits:
    """Read what :func:`write_manifest` wrote, for the same data.

    Args:
        path: The ``split.json`` of a run.
        train: Training images.
        test: Test images.

    Raises:
        InputError: If there is no such file, it is no manifest of this version, or it is of other data.
    """
    manifest = _load(Path(path))
    found = fingerprint(train, test)
    require(
        manifest["fingerprint"] == found,
        f"Expected the data that {path} was written for, fingerprint {str(manifest['fingerprint'])[:12]}, "
        f"got other data, fingerprint {found[:12]}. Use the source, sizes and image size of that run.",
    )
    forget, validation = (_rows(path, manifest[part], train.ids) for part in ("forget", "validation"))
    pool = torch.arange(len(train) + len(test))
    rows, test_rows = pool[: len(train)], pool[len(train) :]
    retain = rows[~torch.isin(rows, torch.cat([forget, validation]))]
    splits = Splits(retain, forget, validation, test_rows, found, manifest["request"])
    require(
        splits.counts() == manifest["counts"] and sum(splits.counts().values()) == len(pool),
        f"Expected the counts {manifest['counts']} of {path}, got {splits.counts()} from its ids. "
        "Restore the file; make a new request instead of editing it.",
    )
    return splits


def _load(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        version = manifest["version"]
        if version == _VERSION:
            ids = {part: [str(name) for name in manifest[part]] for part in ("forget", "validation")}
            numbers = {field: manifest[field] for field in ("fingerprint", "counts")}
            return {**ids, **numbers, "request": ForgetRequest(**manifest["request"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise InputError(
            f"Expected a split manifest, got {path}, which is none ({reason}). Give the split.json of a run."
        ) from error
    raise InputError(
        f"Expected a split manifest of version {_VERSION}, got {version!r} in {path}. "
        "Read it with the release that wrote it."
    )


def _rows(path: str | Path, ids: list[str], known: list[str]) -> Tensor:
    row_of = {name: row for row, name in enumerate(known)}
    unknown = [name for name in ids if name not in row_of]
    require(
        not unknown,
        f"Expected ids of training images in {path}, got {unknown[:1]}. Restore the file.",
    )
    return torch.tensor([row_of[name] for name in ids], dtype=torch.int64).sort().values
