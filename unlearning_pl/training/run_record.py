"""Reading of the record of a finished run, run.json."""

import json
from pathlib import Path
from typing import Any

from unlearning_pl.errors import InputError, require
from unlearning_pl.training.run_file_checks import check_record
from unlearning_pl.training.run_lock import require_not_training

RECORD = "run.json"


def read_record(run: str | Path) -> dict[str, Any]:
    """Read the record of a finished run, run.json: seconds, command, seed, digest of its weights, versions, hardware.

    Raises:
        InputError: If the run still trains or is not finished, or the file is damaged.
    """
    path = Path(run) / RECORD
    if not path.is_file():
        require_not_training(run)
    require(Path(run).exists(), f"Expected a finished run, got {run}, which does not exist. Correct the path.")
    require(path.is_file(), f"Expected a finished run, got {run} without {RECORD}. Let it finish, or give another one.")
    record = read_json_object(path)
    check_record(record, path)
    return record


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run.

    Raises:
        InputError: If it is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"Expected a JSON object in {path}, got something else. Restore the file or train again.")
    return value
