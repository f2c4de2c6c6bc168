"""The report as JSON, with per-image values by image id. The schema is report.schema.json in this folder."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.verdict import Verdict
from unlearning_pl.errors import InputError, require
from unlearning_pl.report.roc_figures import roc
from unlearning_pl.types import Split

VERSION = 3
"""Version of the schema of report.json."""


def build_report(audits: Sequence[Audit], context: Mapping[str, Any]) -> dict[str, Any]:
    """Convert audits to the content of ``report.json``.

    An image's id is its entry in ``context["ids"][split]``, else its row within the split. The document has the context
    without its ids.

    Args:
        audits: One per model.
        context: As for :func:`unlearning_pl.report.write_report`.

    Raises:
        InputError: If the given ids of a split are not distinct or not one per image.

    Example:
        >>> import torch
        >>> build_report([Audit("ac", {"seconds": 2.0}, {}, torch.zeros(0, 0))], {})["audits"][0]["metrics"]
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
        InputError: If the file is not a report, or has another version.

    Example:
        >>> read_report("nowhere.json")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected a report, got nowhere.json (No such file or directory). Audit again.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "damaged"
        raise InputError(f"Expected a report, got {path} ({why}). Audit again.") from error
    version = report.get("version") if isinstance(report, dict) else None
    require(version == VERSION, f"Expected a report of version {VERSION}, got {version} in {path}. Audit again.")
    return dict(report)


def class_labels(class_names: Sequence[str], count: int) -> list[str]:
    """Unique label of each class: its name, with its number if several classes share the name, or the number alone.

    Args:
        class_names: Names in the order of the classes; empty if unknown.
        count: K.

    Example:
        >>> class_labels(["crane", "cat", "crane"], 4)
        ['crane (0)', 'cat', 'crane (2)', '3']
    """
    names = [str(name) for name in class_names][:count]
    labels = [f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)]
    return labels + [str(number) for number in range(len(names), count)]


def plain_values(value: Any) -> Any:
    """Convert paths and other objects to strings, and NaN and infinity to null.

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
        for split, per_image in values.items():
            require(
                split not in ids or len(set(map(str, ids[split]))) == len(ids[split]) == len(per_image),
                f"Expected one id for each of the {len(per_image)} {split} images of {audit.name}, got "
                f"{len(ids.get(split, ()))} or duplicates. Give distinct ids in the order of the images.",
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
        "forget_alignment": _by_id(audit.alignment.diagonal(), ids.get("forget")),
    }
    if audit.verdict is not None:
        record["verdict"] = _verdict(audit.verdict)
    if audit.retain_relearning is not None:
        record["retain_relearning"] = {key: list(values) for key, values in vars(audit.retain_relearning).items()}
    return record | ({"steps": [_finite(step) for step in audit.steps]} if audit.steps else {})


def _verdict(verdict: Verdict) -> dict[str, Any]:
    names = ("kind", "reason", "attack", "interval", "floor", "level", "margin", "detectable", "needed", "compared")
    return {
        **{name: plain_values(getattr(verdict, name)) for name in names},
        "differences": {
            attack: plain_values({"auc": one.auc, "reference": one.reference, "standard_error": one.standard_error})
            for attack, one in verdict.difference.items()
        },
        "lost": plain_values(verdict.lost),
    }


def _by_image(values: Mapping[Split, Tensor], ids: Mapping[str, Sequence[Any]]) -> dict[str, dict[str, float]]:
    return {split: _by_id(tensor, ids.get(split)) for split, tensor in values.items()}


def _by_id(values: Tensor, ids: Sequence[Any] | None) -> dict[str, float]:
    names = range(len(values)) if ids is None else ids
    # not strict, because the alignment covers the first forget images only
    return _finite({str(name): round(value, 6) for name, value in zip(names, values.tolist(), strict=False)})


def _by_class(values: Tensor, class_names: Sequence[str]) -> dict[str, float]:
    return _finite(dict(zip(class_labels(class_names, len(values)), values.tolist(), strict=True)))


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    return {key: value for key, value in values.items() if math.isfinite(value)}


def _roc(scores: Mapping[Split, Tensor]) -> dict[str, list[float]]:
    if not {"forget", "test"} <= scores.keys():
        return {}
    false, true = roc(scores["forget"], scores["test"]).T.tolist()
    return {
        "false_positive_rate": [round(value, 6) for value in false],
        "true_positive_rate": [round(value, 6) for value in true],
    }
