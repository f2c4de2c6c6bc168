"""Records of images that are not decoded yet, and the image sets made of them.

Letters: N images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference, Storage, load_images
from unlearning_pl.images.image_set import ImageSet


@dataclass(frozen=True)
class Records:
    """Encoded images of the training or the test part, with the columns that belong to them.

    Args:
        encoded: Encoded bytes of each image, or their location.
        names: Name of each image in messages: the file, or the file and the row.
        ids: Id of each image, which starts with the part.
        labels: Class of each image, numbers or names; None if the images have no labels.
        captions: Captions of each image, or None.
        metadata: Further columns by name.
    """

    encoded: Sequence[Reference | bytes]
    names: Sequence[str]
    ids: Sequence[str]
    labels: Sequence[int | str | None] | None = None
    captions: Sequence[tuple[str, ...]] | None = None
    metadata: Mapping[str, Sequence[Any]] = field(default_factory=dict)


def image_sets(
    train: Records,
    test: Records,
    class_names: Sequence[str] | None = None,
    image_size: int | None = None,
    on_error: OnError = "raise",
    storage: Storage = "auto",
) -> tuple[ImageSet, ImageSet]:
    """Decode both parts together, so that all images have one size.

    Args:
        train: Records of the training images.
        test: Records of the test images.
        class_names: Name of each class if labels are numbers; by default numbers are their own names.
        image_size: Height and width to resize to; without it all images must have one size.
        on_error: ``raise`` an error that names the corrupt images, or ``skip`` them with a warning.
        storage: Whether pixels are held in memory or decoded batch by batch, see :func:`load_images`.

    Returns:
        The training images and the test images.

    Raises:
        InputError: If an image is corrupt and not to be skipped, a label names no class, or a part has no image left.

    Example:
        >>> train, test = Records([b""], ["a.png"], ["train/0"]), Records([b""], ["b.png"], ["test/0"])
        >>> image_sets(train, test, image_size=8)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected images that Pillow reads, got 2 of 2 that it does not: ...
    """
    targets, names = _targets(train, test, class_names)
    encoded, all_names = [*train.encoded, *test.encoded], [*train.names, *test.names]
    images, kept = load_images(encoded, all_names, image_size, on_error, storage)
    num_train = sum(row < len(train.encoded) for row in kept)
    require(
        0 < num_train < len(kept),
        f"Expected training and test images, got {num_train} and {len(kept) - num_train} that can be read. "
        "Restore the files, or give others.",
    )
    return (
        _image_set(train, images[:num_train], targets[: len(train.encoded)], kept[:num_train], names),
        _image_set(
            test,
            images[num_train:],
            targets[len(train.encoded) :],
            [row - len(train.encoded) for row in kept[num_train:]],
            names,
        ),
    )


def _image_set(records: Records, images: Any, targets: Tensor, kept: list[int], names: list[str]) -> ImageSet:
    def select(column: Sequence[Any]) -> list[Any]:
        return [column[row] for row in kept]

    captions = None if records.captions is None else select(records.captions)
    metadata = {name: select(column) for name, column in records.metadata.items()}
    return ImageSet(images, targets[kept], select(records.ids), names, captions, metadata)


def _targets(train: Records, test: Records, class_names: Sequence[str] | None) -> tuple[Tensor, list[str]]:
    """Class number of every image, training images first, and the names of the classes."""
    for one, other in ((train, test), (test, train)):
        require(
            (one.labels is None) or (other.labels is not None),
            f"Expected labels of all images or of none, got some at {one.names[0]} and none at {other.names[0]}. "
            "Take training and test images from one data set.",
        )
    if train.labels is None or test.labels is None:
        return torch.zeros(len(train.encoded) + len(test.encoded), dtype=torch.int64), []
    labels, all_names = [*train.labels, *test.labels], [*train.names, *test.names]
    if any(isinstance(label, str) for label in labels):
        return _targets_from_names(labels, all_names)
    names = list(class_names or _names_from_numbers(train.labels, train.names))
    for label, name in zip(labels, all_names, strict=True):
        require(
            isinstance(label, int) and 0 <= label < len(names),
            f"Expected a label from 0 to {len(names) - 1}, got {label} in {name}. "
            "Correct the label or the names of the classes.",
        )
    return torch.tensor(labels, dtype=torch.int64), names


def _targets_from_names(labels: Sequence[int | str | None], all_names: Sequence[str]) -> tuple[Tensor, list[str]]:
    for label, name in zip(labels, all_names, strict=True):
        require(
            isinstance(label, str) and bool(label.strip()),
            f"Expected the name of a class, got {label!r} in {name}. Label all images by names, or all by numbers.",
        )
    names = sorted({str(label) for label in labels})
    number = {name: row for row, name in enumerate(names)}
    return torch.tensor([number[str(label)] for label in labels], dtype=torch.int64), names


def _names_from_numbers(labels: Sequence[int | str | None], all_names: Sequence[str]) -> list[str]:
    """The numbers from 0 to the highest label, as names."""
    known = [label if isinstance(label, int) else 0 for label in labels]
    highest = max(known)
    require(
        highest < len(known),
        f"Expected labels below the number of images, {len(known)}, got {highest} in "
        f"{all_names[known.index(highest)]}. Number the classes from 0, or give their names.",
    )
    return [str(number) for number in range(highest + 1)]
