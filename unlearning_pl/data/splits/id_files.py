"""Files of ids, for requests that another program made."""

import csv
import io
import json
from collections.abc import Callable, Collection
from pathlib import Path

from unlearning_pl.data.splits.match_ids import IdMatcher
from unlearning_pl.errors import InputError, require


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
    parsers: dict[str, Callable[[str], list[str]]] = {
        ".txt": lambda text: [line.strip() for line in text.split("\n") if line.strip()],
        ".csv": lambda text: _from_csv(text, known),
        ".json": _from_json,
    }
    require(
        path.suffix.lower() in parsers,
        f"Expected .txt, .csv or .json at {field}, got {str(file)!r}. Convert it.",
    )
    try:
        return parsers[path.suffix.lower()](path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            f"Expected a file of ids at {field}, got {str(file)!r}, not readable ({error.strerror}). "
            "Correct the path, relative to the working directory."
        ) from error
    except (ValueError, TypeError, KeyError, RecursionError, csv.Error) as error:
        raise InputError(
            f"Expected ids in {field}, got {str(file)!r}, which does not parse ({error}). "
            'Give a JSON list of ids or an object with one under "forget", or write one id a line in a .txt.'
        ) from error


def _from_csv(text: str, known: Collection[str]) -> list[str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if any(map(str.strip, row))]
    if not rows:
        return []
    column = rows[0].index("id") if "id" in rows[0] else 0
    # A first cell of letters and underscores is a header; a possibly mistyped id is kept, and the look-up raises.
    has_header = "id" in rows[0] or (rows[0][0] not in known and rows[0][0].replace("_", "").isalpha())
    if has_header and "id" not in rows[0] and (meant := IdMatcher(known).find(rows[0][0])):
        raise ValueError(f"{rows[0][0]!r} in the first row may be a header or {meant[0]}")
    short = next((row for row in rows if len(row) <= column), None)
    if short is not None:
        raise ValueError(f"no id in the row {','.join(short)!r}")
    return [row[column] for row in rows[has_header:]]


def _from_json(text: str) -> list[str]:
    value = json.loads(text)
    ids = value["forget"] if isinstance(value, dict) else value
    if not isinstance(ids, list) or not all(type(name) in (str, int) for name in ids):
        raise TypeError("no list of strings")
    return [str(name) for name in ids]
