"""Checks of the content of run.json and split.json, which may be a stranger's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearning_pl.errors import require

_RECORD: dict[str, type | tuple[type, ...]] = {
    "seconds": (int, float, type(None)),  # None for weights of a file
    "command": list,
    "lineage": list,
    "original": str,
    "original_sha256": str,
    "weights": str,
    "weights_sha256": str,
    "tensors_sha256": str,
    "imported": dict,
    "seed": (int, type(None)),
    "passes": int,
    "trackers": list,
}


def check_record(record: Mapping[str, Any], path: Path) -> None:
    """Check the types of what commands use of a record.

    Raises:
        InputError: If a field has another type, or seconds or the command are absent.

    Example:
        >>> check_record({"seconds": 1.5, "command": ["unlearning-pl", "fit"]}, Path("run.json"))
    """
    values = {"seconds": None, "command": None, **record}
    for field, kind in _RECORD.items():
        value = values.get(field, "absent")
        valid = field not in values or (isinstance(value, kind) and not isinstance(value, bool))
        words = all(isinstance(word, str) for word in value) if isinstance(value, list) else True
        require(
            valid and words,
            f"Expected seconds, a command and a lineage in {path}, got another {field}. Restore it, or train again.",
        )
    require(
        isinstance(values.get("imported", {"sha256": ""}).get("sha256"), str),
        f"Expected the SHA-256 of the imported file in {path}, got none. Restore it, or import the file again.",
    )


def check_split(split: Mapping[str, Any], path: Path) -> None:
    """Check that a split lists ids, and so does each of its steps.

    Raises:
        InputError: If it does not.

    Example:
        >>> check_split({"forget": ["a"], "validation": []}, Path("split.json"))
    """
    steps = split.get("steps", [])
    valid = isinstance(steps, list) and all(isinstance(step, dict) and _are_ids(step.get("forget")) for step in steps)
    require(
        valid and _are_ids(split.get("forget")) and _are_ids(split.get("validation")),
        f"Expected lists of ids under forget, validation and steps in {path}, got something else. Restore the file.",
    )


def _are_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
