"""States of the runs of plans, read from their folders without running anything."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.benchmark.job import ORIGINAL
from unlearning_pl.benchmark.run_failure import FailureFile
from unlearning_pl.benchmark.seed_runs import AUDIT
from unlearning_pl.cli.finished_runs import can_resume, is_audited, is_finished_run
from unlearning_pl.errors import InputError, error_line
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import has_checkpoint
from unlearning_pl.training.run_lock import writing_process

FINISHED, FAILED = "finished", "failed: "


class RunState(NamedTuple):
    """A run and its state.

    Attributes:
        plan: Name of the plan.
        seed: The seed.
        name: Name of the run, or ``audit``.
        state: ``finished``, ``running (PROCESS)``, ``failed: REASON``, ``interrupted``, ``settings changed``,
            ``original not finished`` of a method that is there without the original of the plan, or ``to run``.
    """

    plan: str
    seed: int
    name: str
    state: str


def run_states(plan: Plan, seeds: Sequence[int], folder: Path, only: Sequence[str] | None = None) -> Iterator[RunState]:
    """List the runs of a plan and their states, in the order of execution.

    Args:
        plan: The plan.
        seeds: Its seeds.
        folder: ``OUTPUT/PLAN``.
        only: Methods to list; all if None.
    """
    for seed in seeds:
        one = folder / f"seed{seed}"
        states: dict[str, str] = {}
        for name, line in plan.job.runs(seed, str(one)).items():
            states[name] = _state(name, line, one, states[ORIGINAL] if name in plan.job.methods else FINISHED)
        shown = [name for name in states if only is None or name in only or name not in plan.job.methods]
        yield from (RunState(plan.path.stem, seed, name, states[name]) for name in shown)
        yield RunState(plan.path.stem, seed, AUDIT, _audit_state(plan, one, states, shown))


def _state(name: str, line: str, folder: Path, original: str) -> str:
    run, words = folder / name, shlex.split(line)
    owner = writing_process(run)
    if owner is not None:
        return f"running ({owner})"
    ready, exists = original == FINISHED, (run / runs.RECORD).exists() or has_checkpoint(run)
    try:
        if ready and is_finished_run(words, run):
            return FINISHED
    except InputError as error:
        return f"{FAILED}{error_line(str(error))}"
    failure = FailureFile(folder / f"{name}.failure.txt").read()
    if failure is not None:
        return f"{FAILED}{failure}"
    if not exists:
        return "to run"
    if not ready:
        return "original not finished"
    return "interrupted" if can_resume(words, run) else "settings changed"


def _audit_state(plan: Plan, folder: Path, states: dict[str, str], shown: Sequence[str]) -> str:
    """State of the audit of all finished methods; a run that is still to be made will be in another one."""
    names = [name for name in plan.job.methods if states[name] == FINISHED]
    references = [ORIGINAL, *plan.job.retrained]
    models = [folder / name for name in (*references, *names)]
    ended = all(states[name] == FINISHED or states[name].startswith(FAILED) for name in shown)
    ready = ended and bool(names) and all(states[name] == FINISHED for name in references)
    if ready and is_audited(shlex.split(plan.job.report(str(folder), names)), folder / AUDIT, models):
        return FINISHED
    failure = FailureFile(folder / f"{AUDIT}.failure.txt").read()
    return "to run" if failure is None else f"{FAILED}{failure}"
