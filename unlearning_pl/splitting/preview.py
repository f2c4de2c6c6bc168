"""Preview of a forget request: counts, classes, earlier requests, and near duplicates in the retain set.

Letters: N images to forget, M retained images, K classes.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.data.splits.match_ids import match_ids
from unlearning_pl.errors import require
from unlearning_pl.functional.duplicates import Pairs, near_duplicates
from unlearning_pl.splitting.training_features import TrainingFeatures
from unlearning_pl.training import runs


class Earlier(NamedTuple):
    """An earlier request and its overlap with the current one.

    Attributes:
        name: Run folder or file of the request.
        asked: Number of images in the request.
        again: Number of those that the current request contains as well.
    """

    name: str
    asked: int
    again: int


class Preview(NamedTuple):
    """The images that a request selects, and their near duplicates in the retain set.

    Attributes:
        request: Fields of the request.
        ids: Ids of the images to forget, in the order of the data.
        counts: Number of images by split.
        classes: Name, number of images to forget and number of training images of each class; empty without classes.
        earlier: Earlier requests.
        pairs: Near duplicates, as indices into ``ids`` and ``retained``.
        retained: Ids of the retained images.
        threshold: Cosine similarity at and above which two images are near duplicates.
        by: Source of the compared vectors.
    """

    request: Mapping[str, Any]
    ids: list[str]
    counts: dict[str, int]
    classes: list[tuple[str, int, int]]
    earlier: list[Earlier]
    pairs: Pairs
    retained: list[str]
    threshold: float
    by: str

    @property
    def duplicates(self) -> list[str]:
        """Ids of the retained images that have a near duplicate among those to forget."""
        return [self.retained[row] for row in self.pairs.of_second.nonzero().flatten().tolist()]

    def document(self, include_duplicates: bool = False) -> dict[str, Any]:
        """Content of the file of ids that ``forget.file`` reads.

        Args:
            include_duplicates: Whether to forget the retained near duplicates as well.
        """
        columns = (self.pairs.first.tolist(), self.pairs.second.tolist(), self.pairs.similarity.tolist())
        return {
            "forget": self.ids + (self.duplicates if include_duplicates else []),
            "request": dict(self.request),
            "near_duplicates": [
                {"forget": self.ids[first], "retain": self.retained[second], "similarity": round(similarity, 6)}
                for first, second, similarity in zip(*columns, strict=True)
            ],
            "near_duplicates_by": {"vectors": self.by, "threshold": self.threshold, "count": self.pairs.total},
        }


def preview(
    data: UnlearningData,
    request: Mapping[str, Any],
    features: TrainingFeatures,
    earlier: Mapping[str, Sequence[str]],
    threshold: float,
    by: str,
) -> Preview:
    """Preview a request before any training.

    Args:
        data: The data, split by the request.
        request: Fields of the request.
        features: Vectors of the training images.
        earlier: Ids of earlier requests, by request.
        threshold: Cosine similarity at and above which two images are near duplicates, in (0, 1].
        by: Source of the vectors.
    """
    forget, retain = data.positions("forget"), data.positions("retain")
    pairs = near_duplicates(features.at(forget).vectors, features.at(retain).vectors, threshold)
    ids, retained = ([data.ids[row] for row in rows.tolist()] for rows in (forget, retain))
    overlaps = [Earlier(name, len(listed), len({*ids} & {*listed})) for name, listed in earlier.items()]
    counts = data.splits.counts()
    return Preview(request, ids, counts, _classes(data, forget), overlaps, pairs, retained, threshold, by)


def _classes(data: UnlearningData, forget: Tensor) -> list[tuple[str, int, int]]:
    names, targets = data.class_names, data.load()[0].targets
    forgotten, trained = (
        torch.bincount(targets[rows], minlength=len(names)).tolist() for rows in (forget, data.positions("train"))
    )
    return sorted(zip(names, forgotten, trained, strict=True), key=lambda row: -row[1]) if names else []


def read_earlier(names: Sequence[str], known: Collection[str]) -> dict[str, list[str]]:
    """Read the ids of earlier requests, by request; one entry per step if a run forgot in several.

    Args:
        names: Run folders and files of ids.
        known: Ids of the data.

    Raises:
        InputError: If a path is neither a run folder nor a file of ids.
    """
    ids_by_request: dict[str, list[str]] = {}
    for name in names:
        path = Path(name).expanduser()
        require(
            path.exists(),
            f"Expected a run folder or a file of ids at --earlier, got {name!r}, which does not exist. "
            "Correct the path.",
        )
        if not path.is_dir():
            ids_by_request[name] = match_ids(read_ids(name, known, "--earlier"), "--earlier", known)
            continue
        split = runs.read_split(path)
        steps = split.get("steps") or [split]
        for number, step in enumerate(steps, 1):
            title = f"{name}, step {number}" if len(steps) > 1 else name
            ids_by_request[title] = [str(entry) for entry in step.get("forget", [])]
    return ids_by_request
