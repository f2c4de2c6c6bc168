"""Context of an audit's report: data, request, commands and settings of the runs."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from unlearning_pl.audits.extract import AUDITED
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.evaluation.audited_weights import AuditedWeights
from unlearning_pl.training import runs

UNKNOWN = "unknown"
"""Method of weights that a run did not end with."""


def report_context(
    named: Mapping[str, str], weights: AuditedWeights, data: UnlearningData, command: Sequence[str]
) -> dict[str, Any]:
    """Collect what the report says beside the metrics, see :func:`unlearning_pl.report.write_report`.

    Args:
        named: Run folders by name.
        weights: Their weights; nothing is attributed to those that a run did not end with.
        data: The data of the first model, with its split.
        command: The command line of the audit.
    """
    records = {name: runs.read_record(run) for name, run in named.items() if name not in weights.foreign}
    splits = data.splits
    source = data.source
    steps = [{"request": _request_fields(step.request), "count": len(step.forget)} for step in splits.steps]
    return {
        "title": "Unlearning audit",
        "dataset": type(source).__name__,
        "fingerprint": splits.fingerprint,
        **({"steps": steps} if splits.earlier else {"request": _request_fields(splits.request)}),
        "counts": splits.counts(),
        "class_names": data.class_names,
        "seeds": {name: record["seed"] for name, record in records.items() if "seed" in record},
        "commands": [
            shlex.join(words) for words in (*(record["command"] for record in records.values()), command) if words
        ],
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "settings": {name: _settings(run, records.get(name)) for name, run in named.items()},
        **({"notes": weights.notes} if weights.notes else {}),
        "ids": {name: [data.ids[i] for i in data.positions(split).tolist()] for name, split in AUDITED.items()},
        **runs.environment(),
    }


def _request_fields(request: ForgetRequest) -> dict[str, Any]:
    return {key: value for key, value in asdict(request).items() if value is not None}


def _settings(run: str, record: Mapping[str, Any] | None) -> dict[str, Any]:
    config = runs.read_config(run)
    if record is None:  # the configuration tells the architecture alone
        return {"model": config["model"], "method": UNKNOWN}
    if "imported" in record:  # nor does that of an import: its optimizer is a default that took no step
        return {"model": config["model"], "imported": Path(record["imported"]["file"]).name}
    keys = ("model", "method", "plugins", "optimizer", "schedule", "milestones", "warmup_steps", "weight_decay_on")
    kept = {key: config[key] for key in keys if config.get(key)}
    return kept | {key: record[key] for key in ("epochs", "steps", "seed") if key in record}
