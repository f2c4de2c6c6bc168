"""Columns of an Arrow table that describe images: their names, types and conversion to records.

Letters: N rows.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from unlearning_pl.data.sources.image_records import Records
from unlearning_pl.errors import require
from unlearning_pl.images.decoding import Reference


class ColumnRoles(NamedTuple):
    """Names of the columns by role; every other column with one plain value per row is metadata.

    Attributes:
        image: Column of the images: encoded bytes and a path, or a path.
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


def column_roles(schema: Any, where: str, image: str = "image", label: str = "label") -> ColumnRoles:
    """Determine the role of each column of a table.

    Args:
        schema: Names and types of the columns.
        where: Name of the table in messages.
        image: Column of the images.
        label: Column of the classes; a table may lack it.

    Returns:
        The columns by role. Captions are in ``captions`` or ``caption``, one text or a list of texts per row.

    Raises:
        InputError: If the column of images is missing, or a column has an unsupported type.

    Example:
        >>> image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
        >>> column_roles(pa.schema({"image": image, "caption": pa.string(), "owner": pa.int64()}), "a.parquet")
        ColumnRoles(image='image', label=None, captions='caption', metadata=('owner',))
    """
    types = dict(zip(schema.names, schema.types, strict=True))
    found = ", ".join(types) or "no columns"
    require(
        _is_image_struct(types.get(image)),
        f"Expected a column {image}: struct<bytes, path> in {where}, got {types.get(image, found)}. "
        "Rename or convert the column.",
    )
    labelled = types.get(label)
    require(
        labelled is None or pa.types.is_integer(labelled) or is_text(labelled),
        f"Expected a column {label}: int64 or string in {where}, got {labelled}. Convert or rename the column.",
    )
    captions = next((name for name in ("captions", "caption") if name in types), None)
    require(
        captions is None or is_text(types[captions]) or is_text_list(types[captions]),
        f"Expected a column {captions}: string or list<string> in {where}, got {types.get(captions or '')}. "
        "Convert or rename the column.",
    )
    used = {image, label, captions}
    metadata = tuple(name for name, kind in types.items() if name not in used and is_metadata_type(kind))
    return ColumnRoles(image, label if labelled is not None else None, captions, metadata)


def table_to_records(part: str, table: Any, names: Sequence[str], known: ColumnRoles) -> Records:
    """Convert the rows of a table to records.

    Args:
        part: ``train`` or ``test``, the first word of every id.
        table: The rows, an Arrow table with the columns of ``known``.
        names: Name of each row in messages.
        known: The columns by role.

    Returns:
        The records; ids are the paths of the images if every row has one and none is repeated, else row numbers. If a
        row has no bytes, its image is the file at its path.

    Raises:
        InputError: If a caption is missing or empty.

    Example:
        >>> table = pa.table({"image": [{"bytes": b"...", "path": "a.png"}], "caption": ["a cat"]})
        >>> found = table_to_records("train", table, ["row 0"], column_roles(table.schema, "table"))
        >>> found.encoded, found.ids, found.captions
        ([b'...'], ['train/a.png'], [('a cat',)])
    """
    data = pc.struct_field(table[known.image], "bytes").to_pylist()
    paths = pc.struct_field(table[known.image], "path").to_pylist()
    distinct = all(paths) and len(set(paths)) == len(paths)
    ids = [f"{part}/{path if distinct else row}" for row, path in enumerate(paths)]
    return Records(
        [_encoded_image(content, path) for content, path in zip(data, paths, strict=True)],
        names,
        ids,
        None if known.label is None else table[known.label].to_pylist(),
        None if known.captions is None else caption_tuples(table[known.captions].to_pylist(), names),
        {name: metadata_values(table[name]) for name in known.metadata},
    )


def caption_tuples(column: Sequence[str | list[str | None] | None], names: Sequence[str]) -> list[tuple[str, ...]]:
    """Captions of each row as a tuple.

    Raises:
        InputError: If a row has no caption, or an empty one.

    Example:
        >>> caption_tuples(["a cat", ["a dog", "a wet dog"]], ["row 0", "row 1"])
        [('a cat',), ('a dog', 'a wet dog')]
    """
    captions = []
    for given, name in zip(column, names, strict=True):
        several = given if isinstance(given, list) else [given]
        require(
            bool(several) and all(text is not None and text.strip() for text in several),
            f"Expected a caption that is not empty, got {given!r} in {name}. Add one, or remove the image.",
        )
        captions.append(tuple(text for text in several if text is not None))
    return captions


def metadata_values(column: Any) -> list[Any]:
    """Values of a metadata column: numbers, booleans or text; dates become text, decimals floats, missing values None.

    Example:
        >>> import datetime
        >>> metadata_values(pa.chunked_array([[datetime.date(2024, 5, 1), None]]))
        ['2024-05-01', None]
    """
    if pa.types.is_temporal(column.type):
        column = column.cast(pa.string())
    elif pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _encoded_image(content: bytes | None, path: str | None) -> Reference | bytes:
    if content is not None:
        return content
    return b"" if path is None else Reference(path)


def _is_image_struct(kind: Any) -> bool:
    return kind is not None and pa.types.is_struct(kind) and {"bytes", "path"} <= {field.name for field in kind}


def is_text(kind: Any) -> bool:
    """Whether a column of this type holds one text per row.

    Example:
        >>> is_text(pa.large_string()), is_text(pa.int8())
        (True, False)
    """
    return kind is not None and bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_text_list(kind: Any) -> bool:
    """Whether a column of this type holds a list of texts per row.

    Example:
        >>> is_text_list(pa.list_(pa.string())), is_text_list(pa.list_(pa.int8()))
        (True, False)
    """
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and is_text(kind.value_type)


def is_metadata_type(kind: Any) -> bool:
    """Whether a column of this type can be metadata: one number, boolean, text or date per row.

    Example:
        >>> is_metadata_type(pa.bool_()), is_metadata_type(pa.binary())
        (True, False)
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_temporal, is_text)
    return any(test(kind) for test in tests)
