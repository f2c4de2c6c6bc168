"""Images listed in a table, with captions, classes and metadata.

Letters: N images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.data.sources.arrow_columns import (
    CAPTIONS,
    IMAGE,
    LABEL,
    ColumnRoles,
    caption_tuples,
    column_roles,
    metadata_values,
    path_column,
)
from unlearning_pl.data.sources.image_paths import ImagePaths
from unlearning_pl.data.sources.image_records import Records, image_sets
from unlearning_pl.data.sources.labels import Label, labels_of_column, labels_of_texts
from unlearning_pl.data.sources.left_out import shorten_list
from unlearning_pl.data.sources.source import IMAGENET_MEAN, IMAGENET_STD, Source
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import OnError, Reference, Storage
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.images.resizing import ImageSize, side_of
from unlearning_pl.tables.table_files import is_typed, read_table
from unlearning_pl.tables.text_tables import first_line


class ImageTable(Source):
    """Images listed in a table with columns for path and caption: CSV, text with tabs, JSON lines, parquet of paths.

    The path is in the first of the columns image, img, image_name, file_name, filename, filepath and path, or in the
    only one that holds nothing else than names of image files; the caption in captions, caption, title or text; the
    class, by name or number, in label or class. Captions and classes may be missing.
    Several rows of one image are its captions; repeated ones count once. Every other column is metadata, and is skipped
    with a warning if the rows of one image differ in it. An id is "train/" or "test/" and the normalised path of the
    table. Channel statistics are ImageNet's.

    Flickr8k's ``captions.txt`` is such a table, with ``images: Images`` and the published list of test images.

    Args:
        train: Table of the training images.
        test: Table of the test images, or a file with the path of one image per line: these images are then removed
            from the training table.
        images: Folder that paths are relative to; that of the table by default.
        image_size: Height and width to resize the largest centred square to; without it all images must have one size.
        on_error: ``raise`` an error that names corrupt and missing images and those whose label or caption cannot be
            used, or ``skip`` them with a warning.
        storage: ``memory`` holds all pixels, ``stream`` decodes batch by batch, ``auto`` decides by their size.

    Raises:
        InputError: If a table cannot be read or lacks a column, or an image is in both parts or corrupt.

    Example:
        >>> ImageTable(train="no/captions.csv", test="no/test.csv").load()  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a table, got no/captions.csv, which is no file. ...
    """

    mean = IMAGENET_MEAN
    std = IMAGENET_STD

    def __init__(
        self,
        train: str,
        test: str,
        images: str | None = None,
        image_size: ImageSize | None = None,
        on_error: OnError = "raise",
        storage: Storage = "auto",
    ) -> None:
        side_of(image_size)  # it raises if the size is not positive
        self.train, self.test, self.images, self.image_size = train, test, images, image_size
        self.on_error: OnError = on_error
        self.storage: Storage = storage

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the training and test images, in the order of their first rows in the tables."""
        train, listed = self._read(self.train), _listed_paths(Path(self.test).expanduser())
        if listed is None:
            test = self._read(self.test)
        else:
            test, train = train.part([*map(train.files.id_of, listed)], self.test)
        trained = set(train.paths())
        both = [file for file in test.paths() if file in trained]
        require(
            not both,
            f"Expected test images that are not trained on, got {len(both)} that are, first {', '.join(both[:1])}. "
            "Take them out of one table.",
        )
        texts = [*train.untyped_labels(), *test.untyped_labels()]
        first, second = train.records("train", texts), test.records("test", texts)
        return image_sets(first, second, None, self.image_size, self.on_error, self.storage)

    def _read(self, where: str) -> "_Listing":
        path = Path(where).expanduser()
        files = ImagePaths(path.parent if self.images is None else Path(self.images).expanduser())
        table = read_table(path, (*IMAGE, *CAPTIONS, *LABEL))
        roles = column_roles(table.schema, where, path_column(table, where))
        rows: dict[str, list[int]] = {}
        unread = []
        for row, name in enumerate(table[roles.image].to_pylist()):
            if name and name.strip():
                rows.setdefault(files.id_of(name), []).append(row)
            else:
                unread.append(f"{where} row {row} (it has no path of an image)")
        return _Listing(where, table, roles, files, rows, unread)


@dataclass(frozen=True)
class _Listing:
    """Rows of a table, by image."""

    where: str
    table: Any
    roles: ColumnRoles
    files: ImagePaths
    rows: Mapping[str, list[int]]  # path in the id -> rows of the table
    unread: Sequence[str]

    def part(self, paths: Sequence[str], where: str) -> "tuple[_Listing, _Listing]":
        """Split into the images at ``paths`` and all others."""
        unknown = [path for path in paths if path not in self.rows]
        require(
            not unknown,
            f"Expected images of {self.where} in {where}, got {len(unknown)} others, first {', '.join(unknown[:1])}. "
            "Write each path as the table does, or give a table with a column of images.",
        )
        chosen = set(paths)
        first = {path: self.rows[path] for path in dict.fromkeys(paths)}
        return replace(self, rows=first, unread=()), replace(
            self, rows={path: rows for path, rows in self.rows.items() if path not in chosen}
        )

    def paths(self) -> list[str]:
        """File of each image."""
        return [self.files.file_of(name) for name in self.rows]

    def untyped_labels(self) -> list[str | None]:
        """The labels if they are texts without a type."""
        name = self.roles.label
        return [] if name is None or is_typed(self.where) else self.table[name].to_pylist()

    def records(self, part: str, all_labels: Sequence[str | None]) -> Records:
        """Convert to records; ``all_labels`` are those without a type, of both parts."""
        require(
            bool(self.rows),
            f"Expected {part} images, got none of {self.where}. List fewer images for the test, or give another table.",
        )
        paths, labels = self.paths(), self._labels(all_labels)
        return Records(
            [Reference(path) for path in paths],
            paths,
            [f"{part}/{name}" for name in self.rows],
            None if labels is None else [labels[rows[0]] for rows in self.rows.values()],
            self._captions(),
            self._metadata(),
            {} if labels is None else self._contradictions(labels),
            self.unread,
        )

    def _captions(self) -> list[tuple[str, ...]] | None:
        if self.roles.captions is None:
            return None
        of_rows = caption_tuples(self.table[self.roles.captions])
        # A row whose list is empty has no caption, like a row whose text is.
        return [
            tuple(dict.fromkeys(text for row in rows for text in of_rows[row] or ("",))) for rows in self.rows.values()
        ]

    def _labels(self, all_labels: Sequence[str | None]) -> list[Label] | None:
        """Label of each row."""
        name = self.roles.label
        if name is None:
            return None
        if is_typed(self.where):
            return labels_of_column(self.table[name])
        return labels_of_texts(self.untyped_labels(), f"the column {name} of {self.where}", all_labels)

    def _contradictions(self, labels: Sequence[Label]) -> dict[int, str]:
        """Fault of each image whose rows have several labels."""
        several = [list(dict.fromkeys(labels[row] for row in rows)) for rows in self.rows.values()]
        return {
            number: f"its rows have the labels {shorten_list([*map(str, found)])}"
            for number, found in enumerate(several)
            if len(found) > 1
        }

    def _metadata(self) -> dict[str, list[Any]]:
        kept = {}
        groups = list(self.rows.values())
        for name in self.roles.metadata:
            values = metadata_values(self.table[name], strip=not is_typed(self.where))
            if all(values[row] == values[rows[0]] for rows in groups for row in rows[1:]):
                kept[name] = [values[rows[0]] for rows in groups]
            else:
                rank_zero_warn(f"The column {name} of {self.where} differs between rows of one image and is left out.")
        return kept


def _listed_paths(file: Path) -> list[str] | None:
    """Lines of a file that lists paths; None if it is a table."""
    if is_typed(file) or not file.is_file() or len(names := first_line(file)) != 1 or names[0] in IMAGE:
        return None
    lines = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    return [line for line in lines if line.strip()]
