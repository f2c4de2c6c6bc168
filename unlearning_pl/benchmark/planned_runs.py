"""What a benchmark would run: its commands, the images that they read, and the hours that they take."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from jsonargparse import Namespace

from unlearning_pl.benchmark.benchmark_plan import Plan, parse_commands
from unlearning_pl.benchmark.count_passes import count_passes
from unlearning_pl.benchmark.job import ORIGINAL
from unlearning_pl.benchmark.run_states import FINISHED, RunState, run_states
from unlearning_pl.benchmark.seed_runs import AUDIT
from unlearning_pl.cli.command_parser import data_from_options
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs


class PlannedRun(NamedTuple):
    """A command that a benchmark would run.

    Attributes:
        name: Name of the run, or ``audit``.
        line: The command.
        passes: Images that its training steps read, as ``run.json`` counts them; None if that is not known.
        hours: Passes by the rate of finished runs of the row, else of the command; None without passes or a rate.
    """

    name: str
    line: str
    passes: int | None = None
    hours: float | None = None


def planned_runs(
    plan: Plan, seeds: Sequence[int], folder: Path, only: Sequence[str] | None = None, rated: Path | None = None
) -> Iterator[PlannedRun]:
    """The commands of a plan whose runs are not finished, in the order of execution; reads the images to count them.

    Args:
        plan: The plan.
        seeds: Its seeds.
        folder: ``OUTPUT/PLAN``.
        only: Methods to run; all if None.
        rated: ``OUTPUT/PLAN`` of finished runs, a tuning's too, whose rates tell the hours; ``folder`` if None.
    """
    settings = parse_commands(plan)
    data = _read_data(settings[ORIGINAL]["data"])
    rates = _rates(rated or folder)
    for seed in seeds:
        one = folder / f"seed{seed}"
        lines = plan.job.runs(seed, str(one))
        *states, audit = run_states(plan, [seed], folder, only)
        left = [state for state in states if state.state != FINISHED]
        for state in left:
            passes = None if data is None else _passes(plan, state, settings[state.name], data)
            rate = rates.get(state.name) or rates.get(f"command {lines[state.name].split()[0]}")
            hours = passes / rate / 3600 if passes is not None and rate else None
            yield PlannedRun(state.name, lines[state.name], passes, hours)
        if left or audit.state != FINISHED:
            yield PlannedRun(AUDIT, plan.job.report(str(one), _audited(plan, seed, folder, only)))


def _audited(plan: Plan, seed: int, folder: Path, only: Sequence[str] | None) -> list[str]:
    """Rows of the audit: those that the command runs, and others that are finished."""
    if only is None:
        return [*plan.job.methods]
    finished = {state.name for state in run_states(plan, [seed], folder) if state.state == FINISHED}
    return [name for name in plan.job.methods if name in only or name in finished]


def describe(run: PlannedRun) -> str:
    """Command, passes and hours in two lines.

    Example:
        >>> print(describe(PlannedRun("original", "fit --run runs/original", 540000, 0.2)))
        unlearning-pl fit --run runs/original
            540 000 image passes, 0.20 h
    """
    if run.name == AUDIT:
        return f"unlearning-pl {run.line}"
    passes = "-" if run.passes is None else _grouped(run.passes)
    hours = "-" if run.hours is None else f"{run.hours:.2f}"
    return f"unlearning-pl {run.line}\n    {passes} image passes, {hours} h"


def describe_total(planned: Sequence[PlannedRun]) -> str:
    """Sum of passes and hours, and what they lack.

    Example:
        >>> describe_total([PlannedRun("a", "fit", 10, 0.5), PlannedRun("b", "fit", 5, 0.25)])
        '2 commands, 15 image passes, 0.75 hours one after the other, without audits.'
    """
    trained = [run for run in planned if run.name != AUDIT]
    text = f"{len(planned)} commands"
    if any(run.passes is None for run in trained):
        return f"{text}. No image passes: the images of the plan cannot be read here, or a run ends by time alone."
    text += f", {_grouped(sum(run.passes or 0 for run in trained))} image passes"
    if any(run.hours is None for run in trained):
        return f"{text}. No hours: the output folder has no finished run of this kind, whose rate would tell them."
    return f"{text}, {sum(run.hours or 0 for run in trained):.2f} hours one after the other, without audits."


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _read_data(settings: Mapping[str, Any]) -> UnlearningData | None:
    """The data of a plan; None if its images are not on this machine."""
    data: UnlearningData = data_from_options(Namespace(data=settings))  # type: ignore[no-untyped-call]
    try:
        data.load()
    except (InputError, OSError):
        return None
    return data


def _passes(plan: Plan, state: RunState, settings: Mapping[str, Any], data: UnlearningData) -> int | None:
    data.request(ForgetRequest(**{**plan.job.forget, "seed": state.seed}))
    return count_passes(settings, data)


def _rates(folder: Path) -> dict[str, float]:
    """Images a second of the finished runs of each row, and of each command under ``command NAME``."""
    totals: dict[str, list[float]] = {}
    for record in chain(*(folder.glob(f"{place}seed*/*/{runs.RECORD}") for place in ("", "tuning/"))):
        try:
            found = runs.read_record(record.parent)
            passes, seconds = float(found["passes"]), float(found["seconds"])
        except (InputError, KeyError, TypeError, ValueError):
            continue  # damaged, or of an earlier version
        if passes > 0:  # a method that takes no step has no rate
            for key in (record.parent.name, f"command {''.join(found['command'][1:2])}"):
                total = totals.setdefault(key, [0.0, 0.0])
                total[0], total[1] = total[0] + passes, total[1] + seconds
    return {key: passes / seconds for key, (passes, seconds) in totals.items() if seconds > 0}
