"""The split of a run as a file: the request, the ids, and the fingerprint of the data."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.data.splits.forget_request import ForgetRequest
from unlearning_pl.data.splits.forget_split import Splits, Step, fingerprint
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.io import write_json

MANIFEST = "split.json"
"""File name in a run folder."""

_VERSION = 1


def write_manifest(path: str | Path, splits: Splits, ids: Sequence[str]) -> Path:
    """Write ``split.json``: the request, the ids that it resolves to, and the fingerprint of the data.

    ``forget`` lists all forgotten images. A run that started from one that had forgotten before also writes ``steps``,
    oldest first, with the request and the ids of each; the last is its own.

    Args:
        path: The file, written whole or not at all.
        splits: The splits to write.
        ids: Ids of the training images (or of the pool, which starts with them).
    """
    manifest = {
        "version": _VERSION,
        "fingerprint": splits.fingerprint,
        "request": splits.request.given(),
        "counts": splits.counts(),
        "forget": _ids(splits.forgotten, ids),
        "validation": _ids(splits.validation, ids),
    }
    if splits.earlier:
        manifest["steps"] = [
            {"request": step.request.given(), "forget": _ids(step.forget, ids)} for step in splits.steps
        ]
    return write_json(path, manifest)


def _ids(rows: Tensor, ids: Sequence[str]) -> list[str]:
    return [ids[row] for row in rows.tolist()]


def read_manifest(path: str | Path, train: ImageSet, test: ImageSet) -> Splits:
    """Read a file of :func:`write_manifest` for the same data.

    Args:
        path: The ``split.json`` of a run.
        train: Training images.
        test: Test images.

    Raises:
        InputError: If the file is missing, is not a manifest of this version, or was written for other data.
    """
    manifest = _load(Path(path))
    found = fingerprint(train, test)
    require(
        manifest["fingerprint"] == found,
        f"Expected the data that {path} was written for, fingerprint {str(manifest['fingerprint'])[:12]}, "
        f"got other data, fingerprint {found[:12]}. Use the source, sizes and image size of that run, and hold "
        "or stream images as it did: a machine with less memory streams images that another holds.",
    )
    forgotten, validation = (_rows(path, manifest[part], train.ids) for part in ("forget", "validation"))
    pool = torch.arange(len(train) + len(test))
    rows, test_rows = pool[: len(train)], pool[len(train) :]
    retain = rows[~torch.isin(rows, torch.cat([forgotten, validation]))]
    *earlier, (request, forget) = (Step(asked, _rows(path, ids, train.ids)) for asked, ids in manifest["steps"])
    splits = Splits(retain, forget, validation, test_rows, found, request, tuple(earlier))
    counts = splits.counts()
    require(
        counts == manifest["counts"] and sum(counts.values()) == len(pool) and torch.equal(splits.forgotten, forgotten),
        f"Expected the counts {manifest['counts']} of {path}, got {counts} from its ids, or other ids in its steps. "
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
            steps = manifest.get("steps") or [manifest]  # a single step is stored in the manifest itself
            return {**ids, **numbers, "steps": [_step(step) for step in steps]}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise InputError(
            f"Expected a split manifest, got {path}, which is none ({reason}). Give the split.json of a run."
        ) from error
    raise InputError(
        f"Expected a split manifest of version {_VERSION}, got {version!r} in {path}. "
        "Read it with the release that wrote it."
    )


def _step(step: dict[str, Any]) -> tuple[ForgetRequest, list[str]]:
    return ForgetRequest(**step["request"]), [str(name) for name in step["forget"]]


def _rows(path: str | Path, ids: Sequence[str], known: Sequence[str]) -> Tensor:
    row_of = {name: row for row, name in enumerate(known)}
    unknown = [name for name in ids if name not in row_of]
    require(
        not unknown,
        f"Expected ids of training images in {path}, got {unknown[:1]}. Restore the file.",
    )
    return torch.tensor([row_of[name] for name in ids], dtype=torch.int64).sort().values
