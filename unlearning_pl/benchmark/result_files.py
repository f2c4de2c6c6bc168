"""Files of results: results.csv and results.parquet, with the same rows."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from unlearning_pl.benchmark.result_rows import parse_row
from unlearning_pl.benchmark.results import Result, incomplete_seeds, plan_results, require_consistent, seed_folders
from unlearning_pl.errors import InputError, require
from unlearning_pl.io import atomic_write, write_text

CSV, PARQUET = "results.csv", "results.parquet"
_TEXTS, _INTEGERS = ("plan", "model", "role", "metric", "digest", "command"), ("seed", "passes")
_SCHEMA = pa.schema(
    [
        (name, pa.string() if name in _TEXTS else pa.int64() if name in _INTEGERS else pa.float64())
        for name in Result._fields
    ]
)


def write_results(folder: str | Path) -> list[Result]:
    """Write ``results.csv`` and ``results.parquet`` of a plan from all of its complete seeds; each write is atomic.

    The files are derived from the folders of the seeds, so that processes that run different seeds lose no row of one
    another: the last one writes all, and a lock keeps it from being overtaken.

    Args:
        folder: ``OUTPUT/PLAN``.

    Returns:
        The rows.

    Example:
        >>> import tempfile
        >>> write_results(tempfile.mkdtemp())
        []
    """
    with FileLock(Path(folder) / ".results.lock"):
        rows = plan_results(folder)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Result._fields)
        writer.writerows(["" if value is None else value for value in row] for row in rows)
        write_text(Path(folder) / CSV, text.getvalue())
        with atomic_write(Path(folder) / PARQUET) as file:
            pq.write_table(pa.Table.from_pylist([row._asdict() for row in rows], _SCHEMA), file)
    return rows


def read_results(paths: Sequence[str | Path]) -> list[Result]:
    """Read results of one or more plans.

    Args:
        paths: ``.csv`` or ``.parquet`` files as :func:`write_results` writes them, folders of a plan, of which the
            complete seeds are read, or folders of several plans. A plan without folders of seeds is read by its
            ``results.csv``.

    Raises:
        InputError: If a path has no results, a file is damaged or of another format, a result is there twice, or a
            model has two roles.

    Example:
        >>> read_results(["nowhere"])
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected results, got nowhere, which does not exist. Give a results.csv, a \
results.parquet, or a folder of unlearning-pl benchmark.
    """
    return require_consistent([row for path in paths for row in _read_path(Path(path).expanduser())])


def plan_folders(folder: str | Path) -> list[Path]:
    """List the folders in a folder that have seeds of a plan or its ``results.csv``.

    Example:
        >>> plan_folders("nowhere")
        []
    """
    paths = sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []
    return [path for path in paths if path.is_dir() and (seed_folders(path) or (path / CSV).is_file())]


def _read_path(path: Path) -> list[Result]:
    require(
        path.exists(),
        f"Expected results, got {path}, which does not exist. Give a results.csv, a results.parquet, or a folder of "
        "unlearning-pl benchmark.",
    )
    if path.is_dir():
        rows = _read_folder(path.resolve())
    else:
        require(
            path.suffix in (".csv", ".parquet"),
            f"Expected results in a .csv or .parquet file, got {path}. Give a file that benchmark wrote.",
        )
        rows = _read_csv(path) if path.suffix == ".csv" else _read_parquet(path)
    require(bool(rows), f"Expected results, got none in {path}. Give a benchmark of which a seed is complete.")
    return rows


def _read_folder(folder: Path) -> list[Result]:
    if seed_folders(folder):
        unfinished = incomplete_seeds(folder)
        rows = plan_results(folder)
        require(
            bool(rows) or not unfinished,
            f"Expected a complete seed in {folder}, got seeds {', '.join(map(str, unfinished))} without a report on "
            "their finished runs. Repeat the benchmark.",
        )
        return rows
    if (folder / CSV).is_file():
        return _read_csv(folder / CSV)
    return [row for plan in plan_folders(folder) for row in _read_plan(plan)]


def _read_plan(folder: Path) -> list[Result]:
    return plan_results(folder) if seed_folders(folder) else _read_csv(folder / CSV)


def _read_csv(path: Path) -> list[Result]:
    csv.field_size_limit(2**31 - 1)  # a command may name thousands of images
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            reader = csv.reader(file, strict=True)
            _check_columns(next(reader, []), path)
            return [_parse_fields(row, f"line {reader.line_num} of {path}") for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"Expected results in {path}, got a damaged file ({error}). Write it again.") from error


def _read_parquet(path: Path) -> list[Result]:
    try:
        table = pq.read_table(path)
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"Expected results in {path}, got a damaged file ({reason}). Write it again.") from error
    _check_columns(table.column_names, path)
    return [parse_row(row, f"row {number} of {path}") for number, row in enumerate(table.to_pylist(), 1)]


def _parse_fields(fields: Sequence[str], place: str) -> Result:
    require(
        len(fields) == len(Result._fields),
        f"Expected {len(Result._fields)} values in {place}, got {len(fields)}. Correct the file.",
    )
    return parse_row(dict(zip(Result._fields, fields, strict=True)), place)


def _check_columns(names: Sequence[str], path: Path) -> None:
    require(
        tuple(names) == Result._fields,
        f"Expected the columns {', '.join(Result._fields)} in {path}, got {', '.join(names) or 'none'}. Give a file "
        "that benchmark wrote.",
    )
