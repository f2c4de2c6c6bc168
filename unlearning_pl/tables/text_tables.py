"""Read tables of text, of which no line may be lost.

Letters: C columns.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from unlearning_pl.errors import require
from unlearning_pl.images.image_names import is_image
from unlearning_pl.unicode_names import normalize_name

_SEPARATORS = "\t|;,"
# Cells that a number cannot keep: codes such as 007 and 0x10, and in a column of floats more digits than they have.
_CODE, _LONG = r"^\s*[-+]?0[0-9xX]", r"^\s*[-+]?[0-9]{16,}\s*$"


class _Layout(NamedTuple):
    """How a text divides into rows.

    Attributes:
        names: The columns, C.
        separator: Character between values.
        skip: Lines up to the names of the columns.
        rows: Number of rows.
        quoted: Whether double quotes enclose values.
        odd: First line that is no row, if each line is to be one; empty if there is none.
    """

    names: list[str]
    separator: str
    skip: int
    rows: int
    quoted: bool
    odd: str


def read_text_table(path: Path, texts: tuple[str, ...] = ()) -> Any:
    r"""Read a text file whose first line names the columns.

    Double quotes enclose values if they do so throughout: each pair begins after a separator or a line end and ends
    before one, quotes inside are doubled. Otherwise, as in the files of CC3M and open_clip, quotes are text, and each
    line is a row. Each row must have C values.

    Args:
        path: The file, UTF-8, with or without the byte order mark.
        texts: Columns to read as text, in small letters.

    Returns:
        An Arrow table, with as many rows as the text has.

    Raises:
        InputError: If a row has more or fewer than C values, or a value in quotes covers a line that is a row as well.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = file.write_text('image\tcaption\n1.jpg\t"breaking" news\n')
        >>> read_text_table(file).to_pylist()
        [{'image': '1.jpg', 'caption': '"breaking" news'}]
    """
    layout = _layout(path)
    names = layout.names
    require(
        0 < len(names) == len({*names}),
        f"Expected the names of the columns in the first line of {path}, got {', '.join(names) or 'none'}. "
        "Give each column a name of its own.",
    )
    return _parse_all(path, layout, [name for name in names if name.casefold() in texts])


def read_text_rows(path: Path, separator: str) -> list[list[str]]:
    r"""Read all lines of a text file with one separator, the first one too, as text; quotes as in a table.

    Raises:
        InputError: As :func:`read_text_table` does.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.csv"
        >>> _ = file.write_text('a.png,"x, y"\nb.png,007\n')
        >>> read_text_rows(file, ",")
        [['a.png', 'x, y'], ['b.png', '007']]
    """
    layout = _layout(path, separator)
    if not layout.names:
        return []
    columns = [str(column) for column in range(len(layout.names))]
    layout = layout._replace(names=columns, skip=layout.skip - 1, rows=layout.rows + 1)
    return [list(row.values()) for row in _parse_all(path, layout, columns).to_pylist()]


def first_line(path: Path) -> list[str]:
    r"""Values of the first line of a text file, stripped of surrounding spaces.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.tsv"
        >>> _ = file.write_text("file_name\t caption\n")
        >>> first_line(file)
        ['file_name', 'caption']
    """
    return next((_split_names(line) for _, line in _lines(path, errors="replace")), [])


def _split_names(line: str, separator: str = "") -> list[str]:
    values = next(csv.reader([line], delimiter=separator or _separator(line)), [])
    return [normalize_name(value.strip()) for value in values]


def _separator(line: str) -> str:
    bare = re.sub(r'"[^"]*"', "", line)
    return next((character for character in _SEPARATORS if character in bare), ",")


def _lines(path: Path, errors: str = "strict") -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers, which start at 1."""
    with path.open(encoding="utf-8-sig", errors=errors) as file:
        for number, line in enumerate(file, 1):
            if line != "\n":
                yield number, line.rstrip("\n")


def _layout(path: Path, separator: str = "") -> _Layout:
    """Decide whether quotes enclose values: of the two readings, the one that contradicts nothing."""
    plain = _plain_layout(path, separator)
    if not plain.quoted:
        require(not plain.odd, f"Expected a row of {path} to have {plain.odd}. Quote values that contain a separator.")
        return plain
    rows, fault, doubtful = _count_quoted_rows(path, plain.separator, len(plain.names))
    require(
        not (fault and plain.odd),
        f"Expected quotes in {path} to enclose values, got {fault}. Close each quote before a separator or the end of "
        "a line, and double those inside a value.",
    )
    require(
        bool(fault) or not doubtful,
        f"Expected each value in quotes on one line of {path}, got one over the lines {doubtful}, among which is a "
        "row as well. Correct the quotes, or write the value on one line.",
    )
    return plain._replace(quoted=False) if fault else plain._replace(rows=rows)


def _plain_layout(path: Path, separator: str) -> _Layout:
    """The layout if each line is a row; ``quoted`` is whether there is any quote."""
    lines = _lines(path)
    skip, line = next(lines, (0, ""))
    separator = separator or _separator(line)
    names = _split_names(line, separator)
    count, quotes, odd = 0, '"' in line, ""
    for number, line in lines:
        count, quotes, width = count + 1, quotes or '"' in line, line.count(separator) + 1
        if width != len(names) and not odd:
            odd = f"{len(names)} columns, got {width} values in line {number}"
    return _Layout(names, separator, skip, count, quotes, odd)


def _count_quoted_rows(path: Path, separator: str, width: int) -> tuple[int, str, str]:
    """Number of rows if quotes enclose values, without the names; what contradicts that; lines that may be rows."""
    read: list[str] = []
    count, start, doubtful = -1, 1, ""

    def remember(lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            read.append(line.rstrip("\r\n"))
            yield line

    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for row in csv.reader(remember(file), delimiter=separator, strict=True):
                if row and len(row) != width:
                    return count, f"{len(row)} values in place of {width} in line {start}", ""
                count, end = count + bool(row), start + len(read) - 1
                if end > start and not doubtful and _swallows_a_row(row, read, separator):
                    doubtful = f"{start} to {end}"
                start = end + 1
                read.clear()
        except csv.Error as error:
            return count, f"others in line {start} or after it ({error})", ""
    return count, "", doubtful


def _swallows_a_row(row: list[str], lines: list[str], separator: str) -> bool:
    """Whether one of the lines of a row is a row as well: one in between, or both the first and the last.

    A row as well has a value for each column, and an image if the row names one. The last line alone is none: after a
    value of several lines in the first column, it has the end of this value and all others.
    """
    image = any(is_image(value) and not re.search("[\r\n]", value) for value in row)
    first, *between, last = (
        [value.strip('" ') for value in line.split(separator)] if line.strip() else [] for line in lines
    )
    rows = [len(other) == len(row) and (not image or any(map(is_image, other))) for other in (*between, last)]
    opens = len(first) >= len(row) and (not image or any(map(is_image, first)))
    return any(rows[:-1]) or (opens and rows[-1])


def _parse_all(path: Path, layout: _Layout, texts: list[str]) -> Any:
    table = _parse(path, layout, texts)
    require(
        table.num_rows == layout.rows,
        f"Expected {layout.rows} rows in {path}, as its lines have, got {table.num_rows}. Write a row on each line.",
    )
    return table


def _parse(path: Path, layout: _Layout, texts: list[str]) -> Any:
    """Parse the rows; a column is numeric if its numbers can be written as they are, and times are text as written."""

    def read(of_texts: list[str], only: list[str] | None = None) -> Any:
        return pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(column_names=layout.names, skip_rows=layout.skip),
            pyarrow.csv.ParseOptions(
                delimiter=layout.separator, quote_char='"' if layout.quoted else False, newlines_in_values=layout.quoted
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(of_texts, pa.string()), include_columns=only),
        )

    table = read(texts)
    numeric = [
        field.name for field in table.schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    ]
    written = read(numeric, numeric) if numeric else table
    changed = [name for name in numeric if _loses(written[name], pa.types.is_floating(table[name].type))]
    changed += [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    return read([*texts, *changed]) if changed else table


def _loses(column: Any, as_float: bool) -> bool:
    pattern = f"{_CODE}|{_LONG}" if as_float else _CODE
    return bool(pc.any(pc.match_substring_regex(column, pattern)).as_py())
