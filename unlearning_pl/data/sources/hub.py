"""Data sets of the Hugging Face hub, or of folders that the library ``datasets`` reads.

Letters: N images.
"""

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from unlearning_pl.data.sources.arrow_columns import (
    LABEL,
    column_roles,
    find_column,
    image_column,
    table_to_records,
)
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.errors import InputError, require
from unlearning_pl.images.decoding import OnError, Reference
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize, side_of


class Hub(Source):
    """A data set of the Hugging Face hub by name, or a local folder that the library ``datasets`` reads.

    Images are the first of the columns image, img, ... that holds any, or the only one. Captions are ``captions``,
    ``caption``, ``title`` or ``text``; every other column of numbers, booleans, text or dates is metadata. The id of an
    image is "train/" or "test/" and its path within a local folder, or the path that the data set gives it, or its row
    number if paths are missing or repeated. Channel statistics are ImageNet's.

    Needs the extra ``hub`` (``pip install 'unlearning-pl[hub]'``). Downloads are read again from the library's
    cache, also without a network (``HF_HUB_OFFLINE=1``).

    Args:
        name: Name on the hub or a folder; a configuration comes after a colon (``ufldl-stanford/svhn:cropped_digits``).
        train: Split of the training images; a part of one is written ``train[:2000]``.
        test: Split of the test images, in the same form.
        label: Column of the classes, by default ``label`` or ``class``, in capitals too; null if there are no labels.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        on_error: ``raise`` an error that names the images that are corrupt or whose label or caption cannot be used, or
            ``skip`` them with a warning.

    Raises:
        InputError: If the library, the data set or a column is missing, or an image, label or caption cannot be used.

    Example:
        >>> Hub("uoft-cs/cifar10", test="train")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected test images that are not trained on, got the split train as both. ...
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        name: str,
        train: str = "train",
        test: str = "test",
        label: str | None = "label",
        image_size: ImageSize | None = None,
        on_error: OnError = "raise",
    ) -> None:
        require(
            train != test,
            f"Expected test images that are not trained on, got the split {test} as both. Give another split.",
        )
        side_of(image_size)  # it raises if the size is not positive
        self.name, self.train, self.test, self.label = name, train, test, label
        self.image_size = image_size
        self.on_error: OnError = on_error

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the images of both splits; downloads them if they are missing."""
        train, test = self._open(self.train), self._open(self.test)
        names, other = self._class_names(train), self._class_names(test)
        require(
            names == other,
            f"Expected the class names of {self.train} in {self.test} too, got {other}. Take both from one data set.",
        )
        first, second = self._records("train", self.train, train), self._records("test", self.test, test)
        return image_sets(first, second, names, self.image_size, self.on_error)

    def _open(self, split: str) -> Any:
        require(
            find_spec("datasets") is not None,
            f"Expected the library datasets to read {self.name}, got an environment without it. "
            "Run pip install 'unlearning-pl[hub]'.",
        )
        import datasets

        path, _, configuration = (self.name, "", "") if Path(self.name).exists() else self.name.partition(":")
        try:
            return datasets.load_dataset(str(Path(path).expanduser()), configuration or None, split=split)
        except Exception as error:  # the library and its dependencies raise many types of errors
            reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
            raise InputError(
                f"Expected a data set in name={self.name!r} with the split {split}, got "
                f"{type(error).__name__}: {reason}. "
                "Give a name on the hub, with a network or after an earlier download, or a folder."
            ) from error

    def _class_names(self, dataset: Any) -> Sequence[str] | None:
        label = self._label_column(dataset)
        require(
            self.label is None or label is not None,
            f"Expected a column label={self.label!r} in {self.name}, got {', '.join(dataset.features)}. "
            "Name the column of the classes, or give null if the images have no labels.",
        )
        names: Sequence[str] | None = getattr(dataset.features.get(label), "names", None)
        return names

    def _label_column(self, dataset: Any) -> str | None:
        """The column of the classes; None if there is none."""
        names = LABEL if self.label == "label" else () if self.label is None else (self.label,)
        return find_column(names, list(dataset.features))

    def _records(self, part: str, split: str, dataset: Any) -> Records:
        import datasets

        where = f"{self.name} {split}"
        image_columns = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.Image)]
        for name in image_columns:
            dataset = dataset.cast_column(name, datasets.Image(decode=False))
        table, label = dataset.with_format("arrow")[:], self._label_column(dataset)
        known = column_roles(table.schema, where, image_column(table.schema, where), label or "")
        names = [f"{where} row {row}" for row in range(table.num_rows)]
        folder = Path(self.name).expanduser()
        folders = [folder if folder.is_dir() else "."] * table.num_rows
        return self._with_relative_ids(part, table_to_records(part, table, names, known, folders))

    def _with_relative_ids(self, part: str, found: Records) -> Records:
        """Replace ids that are paths on this machine by paths within the folder, or by row numbers."""
        if not any(isinstance(one, Reference) for one in found.encoded):
            return found
        folder = Path(self.name).expanduser().resolve()
        paths = [Path(one.path if isinstance(one, Reference) else "") for one in found.encoded]
        if all(path.is_relative_to(folder) for path in paths):
            within = [path.relative_to(folder).as_posix().removeprefix(f"{part}/") for path in paths]
            return replace(found, ids=[f"{part}/{path}" for path in within], names=[str(path) for path in paths])
        return replace(found, ids=[f"{part}/{row}" for row in range(len(paths))])
