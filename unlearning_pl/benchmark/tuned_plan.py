"""The plan with the settings that a tuning chose, and the budget and the figures of the tuning beside its table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.benchmark.tuning_ranges import Range
from unlearning_pl.benchmark.tuning_request import Budget
from unlearning_pl.benchmark.tuning_trials import Trial
from unlearning_pl.io import write_text
from unlearning_pl.report.wording import pluralize
from unlearning_pl.yaml_text.yaml_settings import write_yaml


class Tuned(NamedTuple):
    """Result of the tuning of a row.

    Attributes:
        row: Name of the row.
        ranges: Range by option.
        trials: The trials in their order; the first has the plan's own settings.
        best: Number of the chosen trial; None if none was feasible, and the plan's own settings stay.
        words: Options of the row with the chosen settings.
    """

    row: str
    ranges: Mapping[str, Range]
    trials: Sequence[Trial]
    best: int | None
    words: str


def write_tuned_plan(path: Path, plan: Plan, command: str, budget: Budget, tuned: Sequence[Tuned]) -> Path:
    """Write the plan with the chosen settings.

    Args:
        path: The file.
        plan: The plan that was tuned.
        command: The command that tuned it.
        budget: What every row could spend.
        tuned: Result of each row.
    """
    job = plan.job
    content = {
        "title": plan.title,
        **{"fit": job.fit, "forget": dict(job.forget), "unlearn": job.unlearn},
        "methods": {one.row: one.words for one in tuned},
        **{"audit": job.audit, "references": job.references},
        "notes": tuning_notes(command, budget, tuned),
    }
    first = f"# unlearning-pl benchmark {path}\n# Settings chosen by: {command}\n"
    return write_text(path, first + write_yaml(content))


def tuning_notes(command: str, budget: Budget, tuned: Sequence[Tuned]) -> str:
    """Budget, ranges and chosen settings in Markdown, for the page of the table.

    Args:
        command: The command that tuned the rows.
        budget: What every row could spend.
        tuned: Result of each row.

    Example:
        >>> lr = {"--optimizer.lr": 0.1}
        >>> one = Tuned("fine_tune", {"--optimizer.lr": Range(0.1, 1)}, [Trial(lr, 0.2, 0.0, 2.0, 64)], 0, "")
        >>> print(tuning_notes("unlearning-pl benchmark x --tune 1", Budget(1), [one]).splitlines()[-1])
        | fine_tune | --optimizer.lr 0.1 to 1 | plan's own | 1 of 1 | 64 | 2 | 0.200 | 0.200 |
    """
    lines = [
        f"Settings were tuned by `{command}`: {pluralize(budget.trials, 'trial')} a method, all on seed {budget.seed} "
        "with an original, retrained models and a forget request of its own, of images that no reported seed forgets. "
        "Chosen is the smallest distance to "
        f"retraining at a test accuracy at most {budget.bound:g} points below the mean of the retrained models; the "
        "first trial has the plan's own settings. Passes and seconds are those of the trials whose runs finished.",
        "",
        "| Method | Ranges | Chosen | Trials within the bound | Passes | Seconds | Distance before | Distance after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_row, tuned)]) + "\n"


def _row(one: Tuned) -> str:
    passes = [trial.passes for trial in one.trials if trial.seconds is not None]
    known = [number for number in passes if number is not None]
    seconds = sum(trial.seconds or 0.0 for trial in one.trials)
    cells = [
        one.row,
        "; ".join(f"{option} {given.describe()}" for option, given in one.ranges.items()),
        _chosen(one),
        f"{sum(not trial.reason for trial in one.trials)} of {len(one.trials)}",
        str(sum(known)) if len(known) == len(passes) else "-",
        f"{seconds:.0f}",
        _distance(one.trials[0]),
        _distance(one.trials[one.best or 0]),
    ]
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _chosen(one: Tuned) -> str:
    if one.best is None:
        return "plan's own: no trial is within the bound"
    if one.best == 0:
        return "plan's own"
    return ", ".join(f"{option} {value}" for option, value in one.trials[one.best].settings.items())


def _distance(trial: Trial) -> str:
    return "-" if trial.distance is None else f"{trial.distance:.3f}"
