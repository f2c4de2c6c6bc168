"""Forget requests by training loss or similarity to an image; scores of methods depend on how hard the set is [1, 2].

References:
    [1] Zhao et al., What makes unlearning hard and what to do about it, NeurIPS 2024, arXiv 2406.01257
    [2] Fan et al., Challenging forgets: Unveiling the worst-case forget sets in machine unlearning, ECCV 2024, arXiv
        2403.07362
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.splits.request_rows import rows_of_ids
from unlearning_pl.errors import require
from unlearning_pl.splitting.training_features import TrainingFeatures


@dataclass(frozen=True)
class Choice:
    """Choice of training images by a model: at most one of ``hardest``, ``easiest`` and ``nearest``.

    Args:
        hardest: Number of images with the highest training loss.
        easiest: Number of images with the lowest training loss.
        nearest: Id of an image; selects it and the images with the highest cosine similarity of features.
        count: Number of images, with ``nearest``.

    Raises:
        InputError: If more than one option is given, or a number is missing or below 1.

    Example:
        >>> Choice(hardest=20).given()
        {'hardest': 20}
    """

    hardest: int | None = None
    easiest: int | None = None
    nearest: str | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        ways = [name for name in self.given() if name != "count"]
        require(len(ways) <= 1, f"Expected one way to choose, got --{' and --'.join(ways)}. Keep one of them.")
        require(
            (self.nearest is None) == (self.count is None),
            f"Expected --nearest ID and --count N together, got --{' --'.join(self.given())} alone. "
            "Give both; --forget.count draws at random.",
        )
        for name, value in self.given().items():
            require(
                isinstance(value, str) or value >= 1, f"Expected --{name} >= 1, got {value}. Give the number of images."
            )

    def given(self) -> dict[str, int | str]:
        """The fields that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}


def check_choice(choice: Choice, data: UnlearningData, candidates: Tensor) -> Tensor:
    """Check that a choice can be met, before a model extracts features.

    Args:
        choice: The choice.
        data: The data, with their split.
        candidates: Rows of the training images that may be chosen, sorted.

    Returns:
        The row of the image ``choice.nearest``, ``(1,)``; ``(0,)`` without one.

    Raises:
        InputError: If that image is not among the candidates, or no candidate would remain.
    """
    number = choice.hardest or choice.easiest or choice.count or 0
    require(
        number < len(candidates),
        f"Expected fewer than the {len(candidates)} images to choose from, got {number}. Leave some to retain.",
    )
    train, test = data.load()
    excluded = data.positions("train")
    excluded = excluded[~torch.isin(excluded, candidates)]
    ids = [] if choice.nearest is None else [choice.nearest]
    excluded_ids = {train.ids[row] for row in excluded.tolist()}
    return rows_of_ids(ids, "--nearest", train, candidates, set(test.ids), excluded_ids)


def select_images(choice: Choice, looks: TrainingFeatures, data: UnlearningData, candidates: Tensor) -> list[str]:
    """Select the training images of a choice: best match first, ties by id.

    Args:
        choice: The choice.
        looks: Features and losses of the training images.
        data: The data, with their split.
        candidates: Rows of the training images that may be chosen, sorted.

    Raises:
        InputError: If the choice cannot be met, see :func:`check_choice`.
    """
    anchor, features = check_choice(choice, data, candidates), looks.at(candidates)
    if len(anchor):
        values = F.cosine_similarity(looks.at(anchor).vectors, features.vectors)
        values[candidates == anchor] = 2  # ranks the image before exact copies of it
    else:
        values = features.losses if choice.hardest is not None else -features.losses
    number = choice.hardest or choice.easiest or choice.count
    return ordered(values, [data.ids[row] for row in candidates.tolist()])[:number]


def ordered(values: Tensor, ids: Sequence[str]) -> list[str]:
    """Sort ids by descending value, ties by id.

    Example:
        >>> ordered(torch.tensor([1.0, 3.0, 1.0]), ["c", "b", "a"])
        ['b', 'a', 'c']
    """
    return [name for _, name in sorted(zip((-values.double()).tolist(), ids, strict=True))]
