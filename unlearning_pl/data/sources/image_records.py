"""Records of images that are not decoded yet, and the image sets made of them.

Letters: N images.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.data.sources.class_targets import class_targets, index_classes
from unlearning_pl.data.sources.image_paths import fault_of_file
from unlearning_pl.data.sources.labels import Label, fault_of_label
from unlearning_pl.data.sources.left_out import report_left_out
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference, Storage, load_images
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize
from unlearning_pl.unicode_names import normalize_name


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
        faults: Why an image cannot be used, by row, as far as the reader knows it.
        unread: What looks like an image and has no row, such as ``a.heic (a format that is not read)``.
    """

    encoded: Sequence[Reference | bytes]
    names: Sequence[str]
    ids: Sequence[str]
    labels: Sequence[Label] | None = None
    captions: Sequence[tuple[str, ...]] | None = None
    metadata: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    faults: Mapping[int, str] = field(default_factory=dict)
    unread: Sequence[str] = ()

    def take(self, rows: Sequence[int]) -> "Records":
        """Select the images at ``rows``, in that order."""

        def select(column: Sequence[Any]) -> list[Any]:
            return [column[row] for row in rows]

        return Records(
            select(self.encoded),
            select(self.names),
            select(self.ids),
            None if self.labels is None else select(self.labels),
            None if self.captions is None else select(self.captions),
            {name: select(column) for name, column in self.metadata.items()},
        )


def image_sets(
    train: Records,
    test: Records,
    class_names: Sequence[str] | None = None,
    image_size: ImageSize | None = None,
    on_error: OnError = "raise",
    storage: Storage = "auto",
) -> tuple[ImageSet, ImageSet]:
    """Decode both parts together, so that all images have one size.

    Ids and names of classes are composed (NFC), however the source writes them.

    Args:
        train: Records of the training images.
        test: Records of the test images.
        class_names: Name of each class if labels are numbers; by default numbers are their own names.
        image_size: Height and width to resize to; without it all images must have one size.
        on_error: ``raise`` an error that names the images that are corrupt or whose label or caption cannot be used, or
            ``skip`` them with a warning.
        storage: Whether pixels are held in memory or decoded batch by batch, see :func:`load_images`.

    Returns:
        The training images and the test images.

    Raises:
        InputError: If an image cannot be used and is not to be skipped, two have one id, or a part has no image left.

    Example:
        >>> train, test = Records([b""], ["a.png"], ["train/0"]), Records([b""], ["b.png"], ["test/0"])
        >>> image_sets(train, test, image_size=8)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected images that Pillow reads, got 2 of 2 that it does not: ...
    """
    index = index_classes(train.labels, class_names, train.names)
    train, test = _leave_out_faults(train, test, index, on_error)
    all_names = [*train.names, *test.names]
    targets, names = torch.zeros(len(all_names), dtype=torch.int64), list[str]()
    if train.labels is not None and test.labels is not None:
        targets, names = class_targets([*train.labels, *test.labels], all_names, index)
    images, kept = load_images([*train.encoded, *test.encoded], all_names, image_size, on_error, storage)
    split = len(train.encoded)
    rows = [row for row in kept if row < split], [row for row in kept if row >= split]
    _require_both(len(rows[0]), len(rows[1]), "read")
    return (
        _image_set(train.take(rows[0]), images[: len(rows[0])], targets[rows[0]], names),
        _image_set(test.take([row - split for row in rows[1]]), images[len(rows[0]) :], targets[rows[1]], names),
    )


def _image_set(records: Records, images: Any, targets: Tensor, names: list[str]) -> ImageSet:
    captions = None if records.captions is None else list(records.captions)
    return ImageSet(images, targets, records.ids, names, captions, records.metadata)


def _leave_out_faults(
    train: Records, test: Records, index: Mapping[str, int] | None, on_error: OnError
) -> tuple[Records, Records]:
    """Both parts without the images that cannot be used; their ids are composed and different."""
    for one, other in ((train, test), (test, train)):
        for what, known, missing in (
            ("labels", one.labels, other.labels),
            ("captions", one.captions, other.captions),
        ):
            require(
                known is None or missing is not None,
                f"Expected {what} of all images or of none, got some at {''.join(one.names[:1])} and none at "
                f"{''.join(other.names[:1])}. Take training and test images from one data set.",
            )
    stated: list[str] = []
    kept = []
    for part in (train, test):
        faults = _faults(part, index)
        stated += [f"{part.names[row]} ({fault})" for row, fault in sorted(faults.items())] + [*part.unread]
        usable = part if not faults else part.take([row for row in range(len(part.ids)) if row not in faults])
        kept.append(_with_composed_ids(usable))
    total = sum(len(part.ids) + len(part.unread) for part in (train, test))
    report_left_out(stated, total, on_error)
    _require_both(len(kept[0].ids), len(kept[1].ids), "used")
    return kept[0], kept[1]


def _faults(records: Records, index: Mapping[str, int] | None) -> dict[int, str]:
    """Why each image cannot be used, whatever its pixels are, by row."""
    faults = dict(records.faults)
    files = {image.path: "" for image in records.encoded if isinstance(image, Reference)}
    of_file = {path: fault for path in files if (fault := fault_of_file(path))}
    for row, image in enumerate(records.encoded):
        label = "" if records.labels is None else fault_of_label(records.labels[row], index)
        caption = "" if records.captions is None else _fault_of_captions(records.captions[row])
        file = of_file.get(image.path, "") if isinstance(image, Reference) else ""
        if fault := faults.get(row) or file or label or caption:
            faults[row] = fault
    return faults


def _fault_of_captions(captions: Sequence[str]) -> str:
    if not captions:
        return "it has no caption"
    return "" if all(map(str.strip, captions)) else "a caption of it is empty"


def _with_composed_ids(records: Records) -> Records:
    ids = [normalize_name(name) for name in records.ids]
    repeated = next((name for name, count in Counter(ids).items() if count > 1), None)
    named = [name for name, composed in zip(records.names, ids, strict=True) if composed == repeated]
    require(
        repeated is None,
        f"Expected a name of its own for each image, got {repeated!r} for {' and '.join(named[:2])}, which "
        "differ in their Unicode form at most. Rename one.",
    )
    return replace(records, ids=ids)


def _require_both(train: int, test: int, able: str) -> None:
    require(
        train > 0 and test > 0,
        f"Expected training and test images, got {train} and {test} that can be {able}. "
        "Restore the files, or give others.",
    )
