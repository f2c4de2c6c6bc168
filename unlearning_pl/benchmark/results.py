"""Results of benchmarks as one tidy table: a row for each metric of each model of each seed of each plan."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from unlearning_pl.audits.embeddings import ORIGINAL, is_retrained
from unlearning_pl.errors import InputError, require
from unlearning_pl.report import read_report
from unlearning_pl.training import runs
from unlearning_pl.training.recorded_weights import DIGEST

Role = Literal["original", "retrained", "method"]
BROKEN = "broken"
"""A metric of the table beside those of the report: 1 if the verdict calls the model broken, else 0."""
AUDIT = "audit/report.json"
"""Report of a seed, in its folder."""


class Result(NamedTuple):
    """One row of the table: a metric of a model.

    Attributes:
        plan: Name of the plan.
        seed: The seed.
        model: Name of the model.
        role: ``original``, ``retrained`` or ``method``.
        metric: Key of the metric; ``step1/KEY`` of the images of the first of several requests.
        value: Its value, finite.
        low: Lower end of its 95 % interval; None where the report has none.
        high: Upper end of the same.
        seconds: Seconds of the run; None if unknown.
        passes: Images that its training steps read; None if its record has no such number.
        digest: SHA-256 of the tensors that the run ended with; empty if unknown.
        command: The command of the run, as a shell takes it; empty if unknown.
    """

    plan: str
    seed: int
    model: str
    role: Role
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    seconds: float | None = None
    passes: int | None = None
    digest: str = ""
    command: str = ""


def plan_results(folder: str | Path) -> list[Result]:
    """Read the results of all complete seeds of a plan, whichever process ran them.

    A seed is complete if its report can be read and is not older than any run that it is on, and these are finished.

    Args:
        folder: ``OUTPUT/PLAN``, with the folders ``seedK``.

    Example:
        >>> plan_results("nowhere")
        []
    """
    return [row for seed, one in seed_folders(folder) for row in _seed_results(Path(folder).name, seed, one)]


def seed_folders(folder: str | Path) -> list[tuple[int, Path]]:
    """List the seeds of a plan that have a folder, in ascending order, with their folders.

    Example:
        >>> seed_folders("nowhere")
        []
    """
    paths = Path(folder).glob("seed*")
    found = [path for path in paths if re.fullmatch("seed(0|[1-9][0-9]*)", path.name) and path.is_dir()]
    return sorted((int(path.name[4:]), path) for path in found)


def incomplete_seeds(folder: str | Path) -> list[int]:
    """List the seeds of a plan that have a folder and no results.

    Example:
        >>> incomplete_seeds("nowhere")
        []
    """
    complete = {row.seed for row in plan_results(folder)}
    return [seed for seed, _ in seed_folders(folder) if seed not in complete]


def require_consistent(results: Sequence[Result]) -> list[Result]:
    """Return the results if each is there once, and each model of a plan has one role.

    Raises:
        InputError: If a metric of a model of a seed is there twice, or a model has two roles.

    Example:
        >>> require_consistent([])
        []
    """
    counts = Counter((row.plan, row.seed, row.model, row.metric) for row in results)
    for (plan, seed, model, metric), count in counts.items():
        require(
            count == 1,
            f"Expected each result once, got {metric} of {model}, seed {seed} of {plan}, {count} times. Give each file "
            "or folder once, and plans with different names.",
        )
    roles = Counter((plan, model) for plan, model, _ in {(row.plan, row.model, row.role) for row in results})
    for (plan, model), count in roles.items():
        require(count == 1, f"Expected one role for {model} of {plan}, got {count}. Give plans different names.")
    return list(results)


def _seed_results(plan: str, seed: int, folder: Path) -> list[Result]:
    try:
        audits = read_report(folder / AUDIT)["audits"]
        records = {audit["name"]: runs.read_record(folder / audit["name"]) for audit in audits}
        written = [(folder / name / runs.RECORD).stat().st_mtime_ns for name in records]
        complete = max(written, default=0) <= (folder / AUDIT).stat().st_mtime_ns
        rows = [row for audit in audits for row in _model_results(plan, seed, audit, records[audit["name"]])]
    except (InputError, OSError, KeyError, TypeError, AttributeError, ValueError):
        return []  # absent, damaged, or being made again by another process
    return rows if complete else []


def _model_results(plan: str, seed: int, audit: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[Result]:
    name, facts = audit["name"], _run_facts(record, audit["metrics"])
    for metric, value in _metrics(audit):
        low, high = audit["intervals"].get(metric, (None, None))
        yield Result(plan, seed, name, _role(name), metric, value, low, high, **facts)


def _metrics(audit: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield from audit["metrics"].items()
    if "verdict" in audit:
        yield BROKEN, float(audit["verdict"]["kind"] == BROKEN)
    for number, step in enumerate(audit.get("steps", []), 1):
        yield from ((f"step{number}/{key}", value) for key, value in step.items())


def _run_facts(record: Mapping[str, Any], metrics: Mapping[str, float]) -> dict[str, Any]:
    """Cost, digest and command of a run; none where the report attributes nothing of its record to the weights."""
    if record["seconds"] is not None and "seconds" not in metrics:
        return {}
    facts = {"seconds": record["seconds"], "passes": record.get("passes"), "digest": record.get(DIGEST, "")}
    return {**facts, "command": shlex.join(record["command"])}


def _role(name: str) -> Role:
    return cast(Role, ORIGINAL if name == ORIGINAL else "retrained" if is_retrained(name) else "method")
