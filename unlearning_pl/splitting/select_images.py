"""Requests by how hard an image is, or by which image it is like: what is hard to forget decides what methods score.

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
    """Training images chosen by what a model says of them: one of the first three, or none.

    Args:
        hardest: How many of the highest training loss.
        easiest: How many of the lowest training loss.
        nearest: Id of an image: it and those that the model sees as most like it, by the cosine of features.
        count: How many, with ``nearest``.

    Raises:
        InputError: If more than one way is given, or a number is missing or below 1.

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
            require(isinstance(value, str) or value >= 1, f"Expected --{name} >= 1, got {value}. Say how many images.")

    def given(self) -> dict[str, int | str]:
        """The fields that are set."""
        return {name: value for name, value in vars(self).items() if value is not None}


def check_choice(choice: Choice, data: UnlearningData, candidates: Tensor) -> Tensor:
    """Refuse a choice that cannot be met, before a model looks at anything.

    Args:
        choice: One way to choose.
        data: The data, with their split.
        candidates: Rows of the training images that may be chosen, sorted.

    Returns:
        The row of the image to be near to, ``(1,)``; without one ``(0,)``.

    Raises:
        InputError: If that image is none of the candidates, or fewer than one image would stay.
    """
    number = choice.hardest or choice.easiest or choice.count or 0
    require(
        number < len(candidates),
        f"Expected fewer than the {len(candidates)} images to choose from, got {number}. Leave some to retain.",
    )
    train, test = data.load()
    gone = data.positions("train")
    gone = gone[~torch.isin(gone, candidates)]
    wanted = [] if choice.nearest is None else [choice.nearest]
    return rows_of_ids(wanted, "--nearest", train, candidates, set(test.ids), {train.ids[row] for row in gone.tolist()})


def select_images(choice: Choice, looks: TrainingFeatures, data: UnlearningData, candidates: Tensor) -> list[str]:
    """Ids of the training images that a choice means, those that fit best first; equal ones by id.

    Args:
        choice: One way to choose.
        looks: What the model says of the training images.
        data: The data, with their split.
        candidates: Rows of the training images that may be chosen, sorted.

    Raises:
        InputError: If it cannot be met, see :func:`check_choice`.
    """
    anchor, seen = check_choice(choice, data, candidates), looks.at(candidates)
    if len(anchor):
        values = F.cosine_similarity(looks.at(anchor).vectors, seen.vectors)
        values[candidates == anchor] = 2  # before its copies
    else:
        values = seen.losses if choice.hardest is not None else -seen.losses
    number = choice.hardest or choice.easiest or choice.count
    return ordered(values, [data.ids[row] for row in candidates.tolist()])[:number]


def ordered(values: Tensor, ids: Sequence[str]) -> list[str]:
    """Ids by falling value, and by id where values are equal.

    Example:
        >>> ordered(torch.tensor([1.0, 3.0, 1.0]), ["c", "b", "a"])
        ['b', 'a', 'c']
    """
    return [name for _, name in sorted(zip((-values.double()).tolist(), ids, strict=True))]
