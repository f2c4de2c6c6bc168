"""The report as JSON: every number, by the id of its image. The schema is in report.schema.json beside this file."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.errors import InputError, require
from unlearning_pl.report.roc_figures import roc
from unlearning_pl.types import Split

VERSION = 2
"""Version of the schema of report.json."""


def document(audits: Sequence[Audit], context: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured, in values that JSON knows.

    An image's id is its entry of ``context["ids"][split]``, else its row within the split. The context is
    kept without its ids.

    Args:
        audits: One a model.
        context: As for :func:`unlearning_pl.report.write_report`.

    Raises:
        InputError: Not one id for each image of a split.

    Example:
        >>> import torch
        >>> document([Audit("ac", {"seconds": 2.0}, {}, torch.zeros(0, 0))], {})["audits"][0]["metrics"]
        {'seconds': 2.0}
    """
    ids, class_names = context.get("ids") or {}, context.get("class_names") or ()
    for audit in audits:
        _require_ids(audit, ids)
    return {
        "version": VERSION,
        "context": plain_values({key: value for key, value in context.items() if key != "ids"}),
        "audits": [_record(audit, ids, class_names) for audit in audits],
    }


def read_report(path: str | Path) -> dict[str, Any]:
    """Read a ``report.json``.

    Raises:
        InputError: No report, or one of another version.

    Example:
        >>> read_report("nowhere.json")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a report, got nowhere.json (No such file or directory). Audit again.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "damaged"
        raise InputError(f"Expected a report, got {path} ({why}). Audit again.") from error
    version = found.get("version") if isinstance(found, dict) else None
    require(version == VERSION, f"Expected a report of version {VERSION}, got {version} in {path}. Audit again.")
    return dict(found)


def class_labels(class_names: Sequence[str], count: int) -> list[str]:
    """Name of each class: what it is called, or its number where it has no name, or one that others have too.

    Args:
        class_names: In the order of the classes; empty where they are not known.
        count: K.

    Example:
        >>> class_labels(["crane", "cat", "crane"], 4)
        ['crane (0)', 'cat', 'crane (2)', '3']
    """
    names = [str(name) for name in class_names][:count]
    told = [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)]
    return told + [str(number) for number in range(len(names), count)]


def plain_values(value: Any) -> Any:
    """Turn paths and other objects into text, and numbers that JSON lacks into null.

    Example:
        >>> plain_values({"run": Path("runs/ac"), "loss": float("nan"), 1: (2, True)})
        {'run': 'runs/ac', 'loss': None, '1': [2, True]}
    """
    if isinstance(value, Mapping):
        return {str(key): plain_values(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_values(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _require_ids(audit: Audit, ids: Mapping[str, Sequence[Any]]) -> None:
    for values in (audit.scores, audit.losses, audit.probabilities):
        for split, found in values.items():
            require(
                split not in ids or len(set(map(str, ids[split]))) == len(ids[split]) == len(found),
                f"Expected one id for each of the {len(found)} {split} images of {audit.name}, got "
                f"{len(ids.get(split, ()))} or equal ones. Give distinct ids in the order of the images.",
            )


def _record(audit: Audit, ids: Mapping[str, Sequence[Any]], class_names: Sequence[str]) -> dict[str, Any]:
    record = {
        "name": audit.name,
        "metrics": _finite(audit.metrics),
        "intervals": {key: list(ends) for key, ends in audit.intervals.items() if all(map(math.isfinite, ends))},
        "class_accuracy": {split: _by_class(values, class_names) for split, values in audit.class_accuracy.items()},
        "roc": _roc(audit.scores),
        "scores": _by_image(audit.scores, ids),
        "losses": _by_image(audit.losses, ids),
        "probabilities": _by_image(audit.probabilities, ids),
        "forget_alignment": _keyed(audit.alignment.diagonal(), ids.get("forget")),
    }
    return record | ({"steps": [_finite(step) for step in audit.steps]} if audit.steps else {})


def _by_image(values: Mapping[Split, Tensor], ids: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, float]]:
    return {split: _keyed(found, ids.get(split)) for split, found in values.items()}


def _keyed(values: Tensor, ids: Sequence[Any] | None) -> dict[str, float]:
    names = range(len(values)) if ids is None else ids
    # The alignment is that of the first forget images only
    return _finite({str(name): round(value, 6) for name, value in zip(names, values.tolist(), strict=False)})


def _by_class(values: Tensor, class_names: Sequence[str]) -> dict[str, float]:
    return _finite(dict(zip(class_labels(class_names, len(values)), values.tolist(), strict=True)))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if math.isfinite(value)}


def _roc(scores: Mapping[Split, Tensor]) -> dict[str, list[float]]:
    if not {"forget", "test"} <= scores.keys():
        return {}
    alarms, found = roc(scores["forget"], scores["test"]).T.tolist()
    return {
        "false_positive_rate": [round(value, 6) for value in alarms],
        "true_positive_rate": [round(value, 6) for value in found],
    }
