"""Numbers of classes from labels.

Letters: N images.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unlearning_pl.data.sources.labels import Label, fault_of_label
from unlearning_pl.errors import require
from unlearning_pl.unicode_names import normalize_name


def index_classes(
    train: Sequence[Label] | None, names: Sequence[str] | None, of_images: Sequence[str]
) -> dict[str, int] | None:
    """Number of each class by name, as far as it is known before labels are checked.

    Args:
        train: Labels of the training images, or None.
        names: Names of the classes in the order of their numbers, if they are given.
        of_images: Name of each training image in messages.

    Returns:
        The given names; or the numbers from 0 to the highest label as their own names; None if labels are names.

    Raises:
        InputError: If two classes have one name, or the numbers have wide gaps: the highest is the number of images or
            more.

    Example:
        >>> index_classes([0, 2, 0], None, ["a", "b", "c"]), index_classes(["cat"], None, ["a"])
        ({'0': 0, '1': 1, '2': 2}, None)
    """
    if names is not None:
        index = {normalize_name(name): number for number, name in enumerate(names)}
        require(
            0 < len(index) == len(names),
            f"Expected a name of its own for each class, got {len(names)} classes with {len(index)} names. "
            "Correct the names of the classes.",
        )
        return index
    numbers = [label for label in train or () if isinstance(label, int) and not fault_of_label(label, None)]
    if not numbers or any(isinstance(label, str) for label in train or ()):
        return None
    highest = max(numbers)
    require(
        highest < len(of_images),
        f"Expected labels below the number of images, {len(of_images)}, got {highest} in "
        f"{of_images[list(train or ()).index(highest)]}. Number the classes from 0, or give their names.",
    )
    return {str(number): number for number in range(highest + 1)}


def class_targets(
    labels: Sequence[Label], all_names: Sequence[str], index: Mapping[str, int] | None
) -> tuple[Tensor, list[str]]:
    """Number of the class of every image, and the names of the classes.

    Args:
        labels: Label of each image, none of which has a fault.
        all_names: Name of each image in messages.
        index: Number of each class by name; by default labels are names, and sorted.

    Returns:
        Targets ``(N,)`` int64, and the names.

    Raises:
        InputError: If some labels are numbers and others names.

    Example:
        >>> class_targets(["dog", "cat", "cat"], ["a", "b", "c"], None)
        (tensor([1, 0, 0]), ['cat', 'dog'])
    """
    if index is None:
        for label, name in zip(labels, all_names, strict=True):
            require(
                isinstance(label, str),
                f"Expected the name of a class, got {label!r} in {name}. Label all images by names, or all by numbers.",
            )
        index = {label: number for number, label in enumerate(sorted({*map(str, labels)}))}
    numbers = [index[label] if isinstance(label, str) else int(label or 0) for label in labels]
    return torch.tensor(numbers, dtype=torch.int64), [*index]
