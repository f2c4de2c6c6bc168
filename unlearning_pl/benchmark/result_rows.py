"""Parsing and checks of rows of results, whose file may be a stranger's or edited by hand."""

import math
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from unlearning_pl.benchmark.benchmark_table import DISTANCE
from unlearning_pl.benchmark.results import Result, Role
from unlearning_pl.errors import InputError, quote, require

_NOT_NEGATIVE = (DISTANCE, "retraining_floor", "average_gap", "seconds")
_HIGHEST = 1e12  # of these: plots draw them


def parse_row(row: Mapping[str, Any], place: str) -> Result:
    """Convert and check a row.

    Args:
        row: Value by column: text, as in a CSV file, or of the column's type; text or None for what is absent.
        place: Where the row is, for messages.

    Raises:
        InputError: If a value has another type, or is none that :func:`write_results` writes.

    Example:
        >>> row = dict.fromkeys(Result._fields, "") | dict(plan="p", seed="3", model="m", role="method", metric="k")
        >>> parse_row({**row, "value": "0.5"}, "row 2 of a.csv")
        Result(plan='p', seed=3, model='m', role='method', metric='k', value=0.5, low=None, high=None, seconds=None, \
passes=None, digest='', command='')
    """
    numbers = {name: _number(row[name], name, place) for name in ("low", "high", "seconds", "passes")}
    seed, value = (_require_number(row[name], name, place) for name in ("seed", "value"))
    for name, whole in (("seed", seed), ("passes", numbers["passes"])):
        require(whole is None or whole.is_integer(), _fault(place, f"a whole number as {name}", whole))
    texts = {name: _text(row[name], name, place) for name in ("plan", "model", "role", "metric")}
    require(texts["role"] in get_args(Role), _fault(place, f"a role among {', '.join(get_args(Role))}", texts["role"]))
    optional = {name: _text(row[name] or "", name, place) for name in ("digest", "command")}
    passes = None if numbers["passes"] is None else int(numbers.pop("passes") or 0)
    result = Result(**{**numbers, **texts, **optional, "seed": int(seed), "value": value, "passes": passes})  # type: ignore[arg-type]
    _check_values(result, place)
    _check_texts(result, place)
    return result


def _check_values(row: Result, place: str) -> None:
    named = [("seed", row.seed), ("seconds", row.seconds), ("passes", row.passes)]
    named += [(row.metric, row.value)] if row.metric in _NOT_NEGATIVE else []
    for name, value in named:
        require(value is None or 0 <= value <= _HIGHEST, _fault(place, f"{name} from 0 to {_HIGHEST:g}", value))
    ends = (row.low, row.high)
    require(
        None not in ends or ends == (None, None),
        _fault(place, "both ends of an interval or none", f"{ends[0]}, {ends[1]}"),
    )
    require(None in ends or row.low <= row.high, _fault(place, "low up to high", f"{row.low}, {row.high}"))  # type: ignore[operator]


def _check_texts(row: Result, place: str) -> None:
    for name in (row.plan, row.model):
        plain = name == Path(name).name and name.isprintable() and name.strip(" .") != ""
        require(plain, _fault(place, "names of folders as plan and model", name))
    require(row.metric.isprintable() and row.metric != "", _fault(place, "the key of a metric", row.metric))
    try:
        shlex.split(row.command)
    except ValueError as error:
        raise InputError(_fault(place, "a command that a shell can split", row.command)) from error


def _number(value: Any, name: str, place: str) -> float | None:
    return None if value in ("", None) else _require_number(value, name, place)


def _require_number(value: Any, name: str, place: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    # Python reads 1_5 as 15
    valid = math.isfinite(number) and not isinstance(value, bool) and not (isinstance(value, str) and "_" in value)
    require(valid, _fault(place, f"a finite number as {name}", value))
    return number


def _text(value: Any, name: str, place: str) -> str:
    require(isinstance(value, str), _fault(place, f"text as {name}", value))
    return str(value)


def _fault(place: str, expected: str, value: object) -> str:
    return f"Expected {expected} in {place}, got {quote(value)}. Correct the file, or let benchmark write it again."
