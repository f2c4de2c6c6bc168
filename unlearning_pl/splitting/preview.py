"""What a request would do: counts, classes, earlier requests, and copies that would stay.

Letters: N images to forget, M retained images, K classes.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.splits.id_files import read_ids
from unlearning_pl.errors import require
from unlearning_pl.functional.duplicates import Pairs, near_duplicates
from unlearning_pl.splitting.training_features import TrainingFeatures
from unlearning_pl.training import runs


class Earlier(NamedTuple):
    """An earlier request, and what is asked of it again.

    Attributes:
        name: Where it was read.
        asked: Images that it asked for.
        again: How many of the images to forget it asked for already.
    """

    name: str
    asked: int
    again: int


class Preview(NamedTuple):
    """A request as it would be met.

    Attributes:
        request: What was asked, by field.
        ids: Of the images to forget, in the order of the data.
        counts: Number of images by split.
        classes: Name of each class, how many of it to forget, and how many are trained on; none without classes.
        earlier: Earlier requests.
        pairs: Near duplicates: rows of ``ids`` and of ``retained``.
        retained: Ids of the retained images.
        threshold: Cosine from which two images are near duplicates.
        by: Whose vectors were compared.
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
        """What is written as a file of ids, which ``forget.file`` reads.

        Args:
            include_duplicates: Whether the near duplicates that would stay are to be forgotten as well.
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
    looks: TrainingFeatures,
    earlier: Mapping[str, Sequence[str]],
    threshold: float,
    by: str,
) -> Preview:
    """Look at a request before anything is trained.

    Args:
        data: The data, split by the request.
        request: What was asked, by field.
        looks: Vectors of the training images.
        earlier: Ids that were asked for before, by request.
        threshold: Cosine from which two images are near duplicates, in (0, 1].
        by: Whose vectors these are.
    """
    forget, retain = data.positions("forget"), data.positions("retain")
    pairs = near_duplicates(looks.at(forget).vectors, looks.at(retain).vectors, threshold)
    ids, retained = ([data.ids[row] for row in rows.tolist()] for rows in (forget, retain))
    told = [Earlier(name, len(listed), len({*ids} & {*listed})) for name, listed in earlier.items()]
    counts = data.splits.counts()
    return Preview(request, ids, counts, _classes(data, forget), told, pairs, retained, threshold, by)


def _classes(data: UnlearningData, forget: Tensor) -> list[tuple[str, int, int]]:
    names, targets = data.class_names, data.load()[0].targets
    asked, trained = (
        torch.bincount(targets[rows], minlength=len(names)).tolist() for rows in (forget, data.positions("train"))
    )
    return sorted(zip(names, asked, trained, strict=True), key=lambda row: -row[1]) if names else []


def read_earlier(names: Sequence[str], known: Collection[str]) -> dict[str, list[str]]:
    """Ids that were asked for before, by request; step by step where a run forgot in several.

    Args:
        names: Run folders and files of ids.
        known: Ids that exist.

    Raises:
        InputError: If one is neither.
    """
    found: dict[str, list[str]] = {}
    for name in names:
        place = Path(name).expanduser()
        require(
            place.exists(),
            f"Expected a run folder or a file of ids at --earlier, got {name!r}, which is not there. Correct the path.",
        )
        if not place.is_dir():
            found[name] = read_ids(name, known, "--earlier")
            continue
        split = runs.read_split(place)
        steps = split.get("steps") or [split]
        for number, step in enumerate(steps, 1):
            title = f"{name}, step {number}" if len(steps) > 1 else name
            found[title] = [str(entry) for entry in step.get("forget", [])]
    return found
