"""Columns of a table that describe images: their roles and their conversion to records.

Letters: N rows.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from unlearning_pl.data.sources.image_paths import ImagePaths
from unlearning_pl.data.sources.image_records import Records
from unlearning_pl.data.sources.labels import is_label_type, labels_of_column
from unlearning_pl.errors import require
from unlearning_pl.images import image_names
from unlearning_pl.images.decoding import Reference
from unlearning_pl.tables import arrow_types
from unlearning_pl.unicode_names import normalize_name, normalize_path

IMAGE = ("image", "img", "image_name", "file_name", "filename", "filepath", "path")
LABEL = ("label", "class")
CAPTIONS = ("captions", "caption", "title", "text")
_FLOAT_DIGITS = 15  # that a float keeps of every decimal


class ColumnRoles(NamedTuple):
    """Names of the columns by role; every other column with one plain value per row is metadata.

    Attributes:
        image: Column of the images: encoded bytes, or a path, or both.
        label: Column of the classes, or None.
        captions: Column of the captions, or None.
        metadata: The other columns.
    """

    image: str
    label: str | None
    captions: str | None
    metadata: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns to read."""
        return [name for name in (self.image, self.label, self.captions, *self.metadata) if name is not None]


def find_column(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of ``names`` that is a column; capitals matter only where two columns differ in nothing else.

    Example:
        >>> find_column(("label", "class"), ["Class", "owner"])
        'Class'
    """
    folded = {column.casefold(): column for column in reversed(columns)} | {column: column for column in columns}
    return next((folded[name] for name in names if name in folded), None)


def image_column(schema: Any, where: str) -> str:
    """The column of encoded images: the first of :data:`IMAGE` that can be it, or the only one that can.

    Raises:
        InputError: If there is none, or several under other names.

    Example:
        >>> image_column(pa.schema({"picture": pa.binary(), "path": pa.string()}), "a.parquet")
        'picture'
    """
    able = [name for name, kind in zip(schema.names, schema.types, strict=True) if arrow_types.is_image(kind)]
    named = find_column(IMAGE, able)
    require(
        named is not None or len(able) == 1,
        f"Expected a column image: struct<bytes, path> or binary in {where}, got "
        f"{', '.join(able or schema.names) or 'no columns'}. Rename or convert the column; a table of paths is for "
        "ImageTable.",
    )
    return named or able[0]


def path_column(table: Any, where: str) -> str:
    """The column of paths: the first of :data:`IMAGE` that is text, or the only one with nothing else than image files.

    Raises:
        InputError: If there is none, or several under other names.

    Example:
        >>> path_column(pa.table({"photo": ["a.jpg"], "owner": ["ann"]}), "a.csv")
        'photo'
    """
    texts = [name for name in table.column_names if arrow_types.is_text(table[name].type)]
    named = find_column(IMAGE, texts)
    able = [] if named else [name for name in texts if _names_images(table[name].to_pylist())]
    require(
        named is not None or len(able) == 1,
        f"Expected a column {', '.join(IMAGE[:-1])} or {IMAGE[-1]} with paths of images in {where}, got "
        f"{', '.join(f'{name}: {table[name].type}' for name in table.column_names)}. "
        "Rename the column; a parquet file that holds images is for Parquet.",
    )
    return named or able[0]


def _names_images(values: Sequence[str | None]) -> bool:
    known = [value for value in values if value]
    return bool(known) and all(map(image_names.is_image, known))


def column_roles(schema: Any, where: str, image: str, label: str | None = None) -> ColumnRoles:
    """Determine the role of each column of a table.

    Args:
        schema: Names and types of the columns.
        where: Name of the table in messages.
        image: Column of the images.
        label: Column of the classes; by default the first of :data:`LABEL`, which may be missing; empty for none.

    Returns:
        The columns by role. Captions are in the first of :data:`CAPTIONS`, one text or a list of texts per row.

    Raises:
        InputError: If a column has an unsupported type.

    Example:
        >>> schema = pa.schema({"image": pa.binary(), "caption": pa.string(), "owner": pa.int64()})
        >>> column_roles(schema, "a.parquet", "image")
        ColumnRoles(image='image', label=None, captions='caption', metadata=('owner',))
    """
    types = dict(zip(schema.names, schema.types, strict=True))
    require(
        len(types) == len(schema.names),
        f"Expected columns of different names in {where}, got {', '.join(schema.names)}. Rename or remove one.",
    )
    others = [name for name in types if name != image]
    label = find_column(LABEL, others) if label is None else label or None
    captions = find_column(CAPTIONS, [name for name in others if name != label])
    require(
        label is None or is_label_type(types[label]),
        f"Expected a column {label}: int64 or string in {where}, got {types.get(label or '')}. "
        "Convert or rename the column.",
    )
    text = types.get(captions or "")
    require(
        captions is None or arrow_types.is_text(text) or arrow_types.is_text_list(text),
        f"Expected a column {captions}: string or list<string> in {where}, got {text}. Convert or rename the column.",
    )
    used = {image, label, captions}
    metadata = tuple(name for name, kind in types.items() if name not in used and arrow_types.is_metadata(kind))
    return ColumnRoles(image, label, captions, metadata)


def table_to_records(
    part: str, table: Any, names: Sequence[str], known: ColumnRoles, folders: Sequence[str | Path]
) -> Records:
    """Convert the rows of a table that holds images to records.

    Args:
        part: ``train`` or ``test``, the first word of every id.
        table: The rows, an Arrow table with the columns of ``known``.
        names: Name of each row in messages.
        known: The columns by role.
        folders: Folder of each row that its path is relative to, if it has no bytes.

    Returns:
        The records; ids are the paths of the images if every row has one and none is repeated, else row numbers. If a
        row has no bytes, its image is the file at its path.

    Example:
        >>> table = pa.table({"image": [{"bytes": b"...", "path": "a.png"}], "caption": ["a cat"]})
        >>> known = column_roles(table.schema, "table", "image")
        >>> found = table_to_records("train", table, ["row 0"], known, ["."])
        >>> found.encoded, found.ids, found.captions
        ([b'...'], ['train/a.png'], [('a cat',)])
    """
    data, paths = _bytes_and_paths(table[known.image])
    files = {folder: ImagePaths(folder) for folder in {*folders}}
    known_paths = [normalize_path(path) if path else None for path in paths]
    distinct = None not in known_paths and len({*known_paths}) == len(paths)
    encoded = [
        content if content is not None else _reference(files[folder], path) if path else b""
        for content, path, folder in zip(data, paths, folders, strict=True)
    ]
    return Records(
        encoded,
        names,
        [f"{part}/{path if distinct else row}" for row, path in enumerate(known_paths)],
        None if known.label is None else labels_of_column(table[known.label]),
        None if known.captions is None else caption_tuples(table[known.captions]),
        {normalize_name(name): metadata_values(table[name]) for name in known.metadata},
    )


def _reference(files: ImagePaths, path: str) -> Reference:
    return Reference(files.file_of(files.id_of(path)))


def _bytes_and_paths(column: Any) -> tuple[list[bytes | None], list[str | None]]:
    if not pa.types.is_struct(column.type):
        return column.to_pylist(), [None] * len(column)
    given = {field.name: pc.struct_field(column, field.name).to_pylist() for field in column.type}
    return given.get("bytes", [None] * len(column)), given.get("path", [None] * len(column))


def caption_tuples(column: Any) -> list[tuple[str, ...]]:
    """Captions of each row as a tuple; a missing one is an empty text.

    Example:
        >>> caption_tuples(pa.array([["a dog", "a wet dog"], None]))
        [('a dog', 'a wet dog'), ('',)]
    """
    rows = [given if isinstance(given, list) else [given] for given in column.to_pylist()]
    return [tuple(text or "" for text in row) for row in rows]


def metadata_values(column: Any, strip: bool = False) -> list[Any]:
    """Values of a metadata column: numbers, booleans or text; dates become text, missing values None.

    Decimals become floats, or text if one of them has more digits than a float keeps. With ``strip``, which is for
    tables of text, spaces around a text do not count.

    Example:
        >>> import datetime
        >>> metadata_values(pa.chunked_array([[datetime.date(2024, 5, 1), None]]))
        ['2024-05-01', None]
    """
    kind = arrow_types.plain_type(column.type)
    if pa.types.is_temporal(kind):
        column = column.cast(pa.string())
    values = column.to_pylist()
    if pa.types.is_decimal(kind):
        return _decimals(values)
    if not arrow_types.is_text(kind):
        return list(values)
    return [value and normalize_name(value.strip() if strip else value) for value in values]


def _decimals(values: Sequence[Decimal | None]) -> list[Any]:
    """Floats; the text of each if one has more digits than a float keeps."""
    texts = [None if value is None else format(value, "f") for value in values]
    digits = (re.sub("[-.]", "", text or "").strip("0") for text in texts)
    return (
        texts
        if any(len(one) > _FLOAT_DIGITS for one in digits)
        else [None if value is None else float(value) for value in values]
    )
