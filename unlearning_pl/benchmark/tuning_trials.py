"""Trials of a tuning: what each tried and reached, and the file that they are recorded in."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from statistics import mean
from types import MappingProxyType
from typing import Any, NamedTuple

from unlearning_pl.benchmark.benchmark_table import DISTANCE, Outcome
from unlearning_pl.errors import InputError, require
from unlearning_pl.io import write_text

TRIALS = "trials.jsonl"
"""File of the trials of a plan, one a line in the order of their runs."""
_UTILITY = ("test_accuracy", "test_recall")  # the second of image-text models without classes


class Trial(NamedTuple):
    """One trial of a row.

    Attributes:
        settings: Value of each tuned option.
        distance: Distance to retraining; None without an audit.
        accuracy_drop: Points of test accuracy below the mean of the retrained models; None without an audit.
        seconds: Training time; None if the run failed.
        passes: Images that its steps read; None if the run failed or does not record them.
        reason: Why the trial is infeasible; empty if it is feasible.
    """

    settings: Mapping[str, Any]
    distance: float | None = None
    accuracy_drop: float | None = None
    seconds: float | None = None
    passes: int | None = None
    reason: str = ""


def judge_trial(
    settings: Mapping[str, Any],
    outcome: Outcome,
    name: str,
    retrained: Sequence[str],
    bound: float,
    record: Mapping[str, Any] = MappingProxyType({}),
) -> Trial:
    """What a trial reached: its distance to retraining, if it keeps the bound on test accuracy.

    Args:
        settings: Value of each tuned option.
        outcome: Result of the runs of a wave and of their audit.
        name: Name of the run.
        retrained: Names of the retrained models.
        bound: Points that its test accuracy may be below their mean; recall of pairs for an image-text model.
        record: Record (``run.json``) of the run.

    Raises:
        InputError: If the audit has neither test accuracy nor recall, or no distance, or if no trial could miss the
            bound, since retrained models have less than that.

    Example:
        >>> figures = {"x": {"retraining_distance": 0.1, "test_accuracy": 85.0}, "retrained": {"test_accuracy": 90.0}}
        >>> judge_trial({}, Outcome(0, figures, {}, []), "x", ["retrained"], 3.0).reason
        'test accuracy 5.00 points below retraining'
    """
    reason = outcome.failures.get(name) or outcome.failures.get("audit")
    if reason:
        return Trial(settings, reason=reason)
    metrics = outcome.metrics[name]
    key = next((key for key in _UTILITY if key in metrics), None)
    if key is None or DISTANCE not in metrics:
        raise InputError(
            f"Expected an audit with a distance to retraining and test accuracy to tune by, got {', '.join(metrics)}. "
            "Give a plan of data with test images and classes or captions."
        )
    utility = mean(outcome.metrics[model][key] for model in retrained)
    _check_bound(bound, utility, key.replace("_", " "))
    distance, drop = metrics[DISTANCE], utility - metrics[key]
    seconds, passes = metrics.get("seconds"), record.get("passes")
    if not (isfinite(distance) and isfinite(drop)):
        return Trial(settings, None, None, seconds, passes, "figures that are not finite")
    far = f"{key.replace('_', ' ')} {drop:.2f} points below retraining"
    return Trial(settings, distance, drop, seconds, passes, far if drop > bound else "")


def _check_bound(bound: float, utility: float, name: str) -> None:
    remedy = (
        "Give a part of it, such as a fifth, or 100 for no bound."
        if utility > 0
        else "Give a plan whose retrained models know something."
    )
    require(
        bound >= 100 or not utility <= bound,
        f"Expected --tune_bound < {utility:g} points, the {name} of the retrained models, got {bound:g}, which no "
        f"trial could miss. {remedy}",
    )


def best_trial(trials: Sequence[Trial]) -> int | None:
    """Number of the feasible trial with the smallest distance, the earliest of several; None without a feasible one.

    Example:
        >>> best_trial([Trial({}, 0.2), Trial({}, 0.1, reason="diverged"), Trial({}, 0.15)])
        2
    """
    feasible = [(trial.distance, number) for number, trial in enumerate(trials) if not trial.reason]
    return min(feasible)[1] if feasible else None


def read_trials(path: Path) -> dict[str, list[Trial]]:
    """Read recorded trials by their search; none if there is no file.

    Raises:
        InputError: If a line is damaged.

    Example:
        >>> read_trials(Path("nowhere.jsonl"))
        {}
    """
    if not path.is_file():
        return {}
    trials: dict[str, list[Trial]] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            fields = json.loads(line)
            trials.setdefault(fields.pop("search"), []).append(Trial(**fields))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(f"Expected a trial in {path}, line {number}, got a damaged line. Delete it.") from error
    return trials


def write_trials(path: Path, trials: Mapping[str, Sequence[Trial]]) -> None:
    """Write trials by their search, as :func:`read_trials` reads them.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / TRIALS
        >>> write_trials(path, {"fine_tune-1": [Trial({"--optimizer.lr": 0.1}, 0.2)]})
        >>> read_trials(path)["fine_tune-1"][0].distance
        0.2
    """
    lines = [json.dumps({"search": search, **one._asdict()}) for search, listed in trials.items() for one in listed]
    write_text(path, "".join(f"{line}\n" for line in lines))
