"""Metadata of the images of any source, from a table."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearning_pl.data.sources.arrow_columns import metadata_values
from unlearning_pl.data.sources.source import Source
from unlearning_pl.errors import require
from unlearning_pl.images.image_set import ImageSet
from unlearning_pl.tables import arrow_types
from unlearning_pl.tables.table_files import is_typed, read_table
from unlearning_pl.unicode_names import normalize_path


class WithMetadata(Source):
    """Wrap a source and add metadata of its training images from a table, for requests such as ``owner == 17``.

    The table has a column ``id`` and a row for each training image; its other columns are added to the metadata. Rows
    of other images are ignored, so that one table serves any ``train_size``.

    Args:
        source: Source of the images.
        file: The table: .csv, .tsv, .txt, .jsonl or .parquet, see ``read_table``. Columns of a text file with only
            numbers are numbers; a column replaces one of the same name in the source's metadata. Ids may have
            backslashes, surrounding spaces and either Unicode form.

    Raises:
        InputError: If the file is not such a table, repeats an id or lacks a training image.

    Example:
        >>> from unlearning_pl.data import Digits
        >>> WithMetadata(Digits(), "owners.csv").image_size
        16
    """

    def __init__(self, source: Source, file: str) -> None:
        self.source, self.file = source, file
        self.mean, self.std, self.image_size = source.mean, source.std, source.image_size
        self.templates = source.templates

    def load(self) -> tuple[ImageSet, ImageSet]:
        """Load the images of the source, and add the columns of the table to the training images."""
        train, test = self.source.load()
        table = _read(Path(self.file).expanduser())
        row_of = {name: row for row, name in enumerate(table.pop("id"))}
        ids = [*map(normalize_path, train.ids)]
        missing = [name for name, written in zip(train.ids, ids, strict=True) if written not in row_of]
        require(
            not missing,
            f"Expected a row of every training image in {self.file}, got none of {', '.join(missing[:3])} "
            f"({len(missing)} missing). Add them, or correct the column id.",
        )
        rows = [row_of[name] for name in ids]
        joined = {name: [column[row] for row in rows] for name, column in table.items()}
        return replace(train, metadata={**train.metadata, **joined}), test


def _read(path: Path) -> dict[str, list[Any]]:
    kinds = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
    require(
        path.suffix.lower() in kinds, f"Expected .csv, .tsv, .jsonl or .parquet as file, got {str(path)!r}. Convert it."
    )
    table = read_table(path, texts=("id",))  # ids stay text: 007 is not 7
    names: list[str] = table.column_names
    require(
        "id" in names and len(set(names)) == len(names),
        f"Expected a column id and no name twice in {path}, got {', '.join(names)}. Name the columns in the first row.",
    )
    ids = [normalize_path(str(name)) for name in table["id"].to_pylist()]
    doubled = len(ids) - len(set(ids))
    require(not doubled, f"Expected each id once in {path}, got {doubled} repeated. Keep one row of each image.")
    others = [name for name in names if name != "id" and arrow_types.is_metadata(table[name].type)]
    return {"id": ids, **{name: metadata_values(table[name], strip=not is_typed(path)) for name in others}}
