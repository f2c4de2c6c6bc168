"""Files of ids, for requests that another program made."""

import json
from collections.abc import Callable, Collection
from pathlib import Path

from unlearning_pl.data.splits.match_ids import IdMatcher
from unlearning_pl.errors import InputError, require
from unlearning_pl.tables.text_tables import read_text_rows


def read_ids(file: str | Path, known: Collection[str] = (), field: str = "forget.file") -> list[str]:
    """Read ids from a .txt, .csv or .json file.

    Args:
        file: Path of the file; its suffix determines the format, see
            :class:`~unlearning_pl.data.splits.forget_request.ForgetRequest`.
        known: Ids that exist: a .csv without a column ``id`` whose first cell is one of them has no header.
        field: Option that gave the file, for messages.

    Raises:
        InputError: If the file is missing, does not have the format of its suffix, or has another suffix.

    Example:
        >>> read_ids("a.xls")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected .txt, .csv or .json at forget.file, got 'a.xls'. Convert it.
    """
    path = Path(file).expanduser()
    parsers: dict[str, Callable[[], list[str]]] = {
        # split, because splitlines ends lines at separators that a name may contain
        ".txt": lambda: [_strip(line, known) for line in _text(path).split("\n") if line.strip()],
        ".csv": lambda: _from_csv(read_text_rows(path, ","), known),
        ".json": lambda: _from_json(_text(path)),
    }
    require(
        path.suffix.lower() in parsers,
        f"Expected .txt, .csv or .json at {field}, got {str(file)!r}. Convert it.",
    )
    try:
        return parsers[path.suffix.lower()]()
    except InputError:
        raise
    except OSError as error:
        raise InputError(
            f"Expected a file of ids at {field}, got {str(file)!r}, not readable ({error.strerror}). "
            "Correct the path, relative to the working directory."
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            f"Expected ids in {field}, got {str(file)!r}, which does not parse ({error}). "
            'Give a JSON list of ids or an object with one under "forget", or write one id a line in a .txt.'
        ) from error


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig")


def _from_csv(cells: list[list[str]], known: Collection[str]) -> list[str]:
    rows = [[_strip(cell, known) for cell in row] for row in cells if any(map(str.strip, row))]
    if not rows:
        return []
    column = rows[0].index("id") if "id" in rows[0] else 0
    # A first cell of letters and underscores is a header; a possibly mistyped id is kept, and the look-up raises.
    has_header = "id" in rows[0] or (rows[0][0] not in known and rows[0][0].replace("_", "").isalpha())
    if has_header and "id" not in rows[0] and (meant := IdMatcher(known).find(rows[0][0])):
        raise ValueError(f"{rows[0][0]!r} in the first row may be a header or {meant[0]}")
    empty = next((row for row in rows if not row[column]), None)
    if empty is not None:
        raise ValueError(f"no id in the row {','.join(empty)!r}")
    return [row[column] for row in rows[has_header:]]


def _from_json(text: str) -> list[str]:
    value = json.loads(text, parse_int=str)  # 007 is no JSON; 7 is the text 7, not a number that 007 equals
    ids = value["forget"] if isinstance(value, dict) else value
    if not isinstance(ids, list) or not all(isinstance(name, str) for name in ids):
        raise TypeError("no list of strings")
    return ids


def _strip(cell: str, known: Collection[str]) -> str:
    """A cell without the spaces around it, unless an id has them."""
    return cell if cell in known else cell.strip()
