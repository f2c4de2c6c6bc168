"""Labelled images, in memory or decoded when read, with ids, captions and metadata.

Letters: N images, H height, W width.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.images.encoded_images import EncodedImages
from unlearning_pl.images.packed_strings import PackedStrings


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Labelled images.

    Args:
        images: Pixels, ``(N, 3, H, W)`` uint8, or an object that decodes them.
        targets: Class of each image, ``(N,)`` int64 in ``[0, len(class_names))``.
        ids: A unique name of each image that stays the same from run to run; stored as
            :class:`~unlearning_pl.images.packed_strings.PackedStrings`.
        class_names: Name of each class; empty if the images have no labels, and every target is 0 then.
        captions: One or more captions of each image; None if the images have no text.
        metadata: Further columns by name, N values each; requests can select by them.

    Raises:
        InputError: If the parts differ in length, an id is not a string or repeated, a target has no class name, or an
            image has no caption although captions are given.

    Example:
        >>> images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
        >>> pair = ImageSet(images, torch.tensor([0, 1]), ["a", "b"], ["x", "y"])
        >>> len(pair), pair.take([1]).ids[0]
        (2, 'b')
    """

    images: Tensor | EncodedImages
    targets: Tensor
    ids: Sequence[str]
    class_names: list[str]
    captions: list[tuple[str, ...]] | None = None
    metadata: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_ids(self.ids)
        object.__setattr__(
            self, "ids", PackedStrings(self.ids)
        )  # saves about a hundred bytes per image in every process
        columns: list[Sized] = [*self.metadata.values(), *([] if self.captions is None else [self.captions])]
        parts: list[Sized] = [self.images, self.targets, self.ids, *columns]
        lengths = [len(part) for part in parts]
        require(
            len(set(lengths)) == 1 and lengths[0] > 0,
            f"Expected as many images as targets, ids, captions and values of each column of metadata, at least one, "
            f"got {lengths}. Correct the source.",
        )
        require(
            len(set(self.ids)) == len(self.ids),
            f"Expected a different id for each image, got {len(self.ids) - len(set(self.ids))} repeated. "
            "Correct the source.",
        )
        low, high = int(self.targets.min()), int(self.targets.max())
        require(
            low >= 0 and high < max(1, len(self.class_names)),
            f"Expected targets from 0 to {max(0, len(self.class_names) - 1)}, one name each, got {low} to {high}. "
            "Correct the labels or the class names.",
        )
        uncaptioned = next((row for row, texts in enumerate(self.captions or []) if not texts), None)
        require(
            uncaptioned is None,
            f"Expected a caption of each image, got none of {self.ids[uncaptioned or 0]}. "
            "Add one, or remove the image.",
        )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Tensor | list[int]) -> "ImageSet":
        """Select the images at ``rows``, in that order."""
        chosen = torch.as_tensor(rows, dtype=torch.int64)

        def select(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in chosen.tolist()]

        return replace(
            self,
            images=self.images[chosen],
            targets=self.targets[chosen],
            ids=select(self.ids),
            captions=None if self.captions is None else select(self.captions),
            metadata={name: select(column) for name, column in self.metadata.items()},
        )


def _check_ids(ids: Sequence[Any]) -> None:
    other = (
        next((name for name in ids if not isinstance(name, str)), None) if not isinstance(ids, PackedStrings) else None
    )
    require(other is None, f"Expected ids that are texts, got {other!r}. Correct the source.")
