"""Read text and parquet tables into Arrow tables."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from unlearning_pl.errors import InputError, require

_SEPARATORS = "\t|;,"


def read_table(path: str | Path, texts: tuple[str, ...] = ()) -> Any:
    r"""Read a ``.parquet`` file, or a text file whose first line names the columns.

    Text is UTF-8, with or without the byte order mark; the separator is the first of tab, ``|``, ``;`` and ``,``
    that occurs in the first line; values that contain a separator or a line end must be quoted. The type of a column is
    the narrowest that fits all of its values.

    Args:
        path: The file.
        texts: Columns to read as text even if all their values are numbers.

    Returns:
        An Arrow table, not empty.

    Raises:
        InputError: If the file is missing, empty or not UTF-8, or a row has more or fewer columns than the first line.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "captions.csv"
        >>> _ = file.write_text('image,caption\n1.jpg,"a cat, asleep"\n')
        >>> read_table(file).to_pylist()
        [{'image': '1.jpg', 'caption': 'a cat, asleep'}]
    """
    require(
        Path(path).is_file(), f"Expected a table, got {path}, which is no file. Give a .csv, .tsv, .txt or .parquet."
    )
    try:
        table = pq.read_table(path) if Path(path).suffix.lower() == ".parquet" else _read_text(Path(path), texts)
    except (OSError, pa.ArrowException) as error:
        raise InputError(
            f"Expected a table, got {path}, which cannot be read ({str(error).splitlines()[0].rstrip('.')}). "
            "Save it as UTF-8, with as many values in each row as there are columns; quote values with separators."
        ) from error
    require(table.num_rows > 0, f"Expected a table with rows, got none in {path}. Give another file.")
    return table


def column_names(path: Path) -> list[str]:
    r"""Names of the columns of a text file, stripped of surrounding spaces.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = file.write_text("file_name\t caption\n")
        >>> column_names(file)
        ['file_name', 'caption']
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline().rstrip("\r\n")
    names = next(csv.reader([line], delimiter=_separator(line)), [])
    return [name.strip() for name in names]


def _separator(line: str) -> str:
    return next((character for character in _SEPARATORS if character in line), ",")


def _read_text(path: Path, texts: tuple[str, ...]) -> Any:
    names = column_names(path)
    twice = next((name for name in names if names.count(name) > 1), None)
    require(
        bool(names) and twice is None,
        f"Expected the names of the columns in the first line of {path}, got {', '.join(names) or 'none'}. "
        "Give each column a name of its own.",
    )
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        separator = _separator(file.readline())
    return pyarrow.csv.read_csv(
        path,
        pyarrow.csv.ReadOptions(column_names=names, skip_rows=1),
        pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        pyarrow.csv.ConvertOptions(column_types={name: pa.string() for name in texts if name in names}),
    )
