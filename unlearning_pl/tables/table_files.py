"""Read text, JSON lines and parquet into Arrow tables."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from unlearning_pl.errors import InputError, quote, require
from unlearning_pl.tables.json_objects import parse_object, plain_column
from unlearning_pl.tables.text_tables import read_text_table
from unlearning_pl.unicode_names import normalize_name

_JSON_LINES = (".jsonl", ".ndjson")


def is_typed(path: str | Path) -> bool:
    """Whether the values of a table have types of their own, unlike those of a text table.

    Example:
        >>> is_typed("a.jsonl"), is_typed("a.csv")
        (True, False)
    """
    return Path(path).suffix.lower() in (".parquet", *_JSON_LINES)


def read_table(path: str | Path, texts: tuple[str, ...] = ()) -> Any:
    r"""Read a ``.parquet`` file, a ``.jsonl`` file of one object a line, or text whose first line names the columns.

    Text is UTF-8, with or without the byte order mark; the separator is the first of tab, ``|``, ``;`` and ``,``
    that occurs in the first line; for quotes see :func:`~unlearning_pl.tables.text_tables.read_text_table`. The
    type of a column of text is the narrowest that fits all of its values; codes such as 007 stay text.

    Args:
        path: The file.
        texts: Columns with a role, in small letters: text even if all their values are numbers in a text file, and
            never left out for a value that is none.

    Returns:
        An Arrow table, not empty, with a row for every row of the file.

    Raises:
        InputError: If the file is missing, empty or not UTF-8, a row has more or fewer columns than the first line, or
            a column with a role has a value in JSON that is no plain one and no list of texts.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "captions.csv"
        >>> _ = file.write_text('image,caption\n1.jpg,"a cat, asleep"\n')
        >>> read_table(file).to_pylist()
        [{'image': '1.jpg', 'caption': 'a cat, asleep'}]
    """
    path = Path(path)
    require(path.is_file(), f"Expected a table, got {path}, which is no file. Give a .csv, .tsv, .jsonl or .parquet.")
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path)
            table.validate(full=True)  # text that is not UTF-8 fails here
        else:
            read = _read_json_lines if path.suffix.lower() in _JSON_LINES else read_text_table
            table = read(path, texts)
    except UnicodeDecodeError as error:
        raise InputError(
            f"Expected a table, got {path}, which cannot be read (it is not UTF8). Save it as UTF-8."
        ) from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"Expected a table, got {path}, which cannot be read ({str(error).splitlines()[0].rstrip('.')}). "
            "Write or copy it again."
        ) from error
    require(table.num_rows > 0, f"Expected a table with rows, got none in {path}. Give another file.")
    names = [normalize_name(name) for name in table.column_names]
    require(
        len({*names}) == len(names),
        f"Expected columns of different names in {path}, got {', '.join(names)}. Rename or remove one.",
    )
    return table.rename_columns(names)


def _read_json_lines(path: Path, roles: tuple[str, ...]) -> Any:
    """Columns of all keys; a key that a line lacks is a missing value, and lists are kept as they are."""
    objects, lines = [], []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            try:
                objects += [parse_object(line)] if line.strip() else []
                lines += [number] if line.strip() else []
            except ValueError as error:
                raise InputError(
                    f"Expected one JSON object in each line of {path}, got none in line {number} ({error}). Correct it."
                ) from error
    keys = dict.fromkeys(key for one in objects for key in one)
    columns = {key: _json_column([one.get(key) for one in objects]) for key in keys}
    for key in keys:
        if columns[key] is None and normalize_name(key).casefold() in roles:
            _refuse_odd_value(path, key, [one.get(key) for one in objects], lines)
    return pa.table({key: values for key, values in columns.items() if values is not None})


def _refuse_odd_value(path: Path, key: str, values: list[Any], lines: list[int]) -> None:
    """Name the first value that cannot be in one column with the others."""
    lists = any(isinstance(value, list) for value in values)

    def fits(value: Any) -> bool:
        plain = _is_text_list(value) if lists else isinstance(value, int | float)
        return value is None or isinstance(value, str) or plain

    odd = next(row for row, value in enumerate(values) if not fits(value))
    raise InputError(
        f"Expected a text, a number or a list of texts as {key} in {path}, got {quote(values[odd], 60)} in line "
        f"{lines[odd]}. Correct the line, or rename the key if it is none of images, labels or captions."
    )


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str | None) for text in value)


def _json_column(values: list[Any]) -> list[Any] | None:
    """Plain values, or lists of texts, to which single texts among them are converted; None for other values."""
    lists = [[value] if isinstance(value, str) else value for value in values]
    if any(isinstance(value, list) for value in values) and all(
        value is None or _is_text_list(value) for value in lists
    ):
        return lists
    return plain_column(values)
