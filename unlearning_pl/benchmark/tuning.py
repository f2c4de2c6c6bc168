"""Tuning of a plan: the same number of trials for every row, on a seed of its own, by the ordinary commands."""

import hashlib
import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.benchmark.benchmark_table import Outcome
from unlearning_pl.benchmark.job import ORIGINAL, Command
from unlearning_pl.benchmark.run_benchmark import check_request, run_seed
from unlearning_pl.benchmark.search_spaces import SearchSpace, option_words, search_spaces
from unlearning_pl.benchmark.suggest_settings import SEARCH, require_optuna, suggest_settings, wave_start
from unlearning_pl.benchmark.tuned_plan import Tuned, write_tuned_plan
from unlearning_pl.benchmark.tuning_images import tuning_request
from unlearning_pl.benchmark.tuning_request import Budget, check_tuning_request
from unlearning_pl.benchmark.tuning_trials import TRIALS, Trial, best_trial, judge_trial, read_trials, write_trials
from unlearning_pl.errors import UnfinishedError, require
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training import runs
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_folder
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml

_NOT_NEEDED = "--relearning 0 --retain_relearning 0 --page false --trackers false"
"""Options of a wave's audit: without what does not enter the distance to retraining."""
_SAME_RESULT = ("run", "original", "allow", "overwrite")
"""Settings of a run that do not decide what a trial reaches."""


class _Tuning(NamedTuple):
    """What the trials of a plan share: the plan, the folder of the runs, the budget and how runs are made."""

    plan: Plan
    folder: Path
    budget: Budget
    command: Command
    processes: int


def tune(
    command: Command,
    plans: Sequence[str],
    seeds: Sequence[int],
    output: str,
    budget: Budget,
    allow: Sequence[str] = (),
    processes: int = 1,
) -> list[Path]:
    """Tune every row of plans and write the plans with the chosen settings, which :func:`benchmark` takes.

    Recorded trials are kept, as long as the commands and the ranges are unchanged. Trials and runs are in
    ``OUTPUT/PLAN/tuning``, and the tuned plan is ``OUTPUT/PLAN/tuning/PLAN.yaml``: it has the name of the plan, so that
    both share their originals and retrained models.

    Args:
        command: Runs one command line, given as a list of words.
        plans: Paths or names of plans.
        seeds: Reported seeds, which take no part.
        output: Output folder.
        budget: Number of trials, their seed and the bound on test accuracy.
        allow: Packages or classes that the configurations of the runs may name, besides this package's and the plans'.
        processes: Number of runs of a wave at the same time, each a child process with its share of the threads.

    Returns:
        The tuned plans.

    Raises:
        InputError: If Optuna is missing, a plan is invalid, ``processes`` is below 1, a row has no ranges, a seed of
            the tuning is one of the reported, or the reported requests leave too few images; raised before any run.
        InputError: After the first trials, if no trial could miss the bound.
        UnfinishedError: If the original or a retrained model of the tuning failed, or all audits of a wave.
    """
    read = check_request(plans, seeds, allow, processes)
    for plan in read:
        _require_untuned(plan, _tuned_path(plan, output))
    spaces = [check_tuning(plan, seeds, budget) for plan in read]
    paths = [_tuned_path(plan, output) for plan in read]
    others = [_with_other_images(*one, seeds, budget) for one in zip(read, spaces, paths, strict=True)]
    written = []
    for name, plan, other, own, path in zip(plans, read, others, spaces, paths, strict=True):
        with lock_folder(path.parent, "--output"):
            tuned = _tune_rows(_Tuning(other, path.parent, budget, command, processes), own)
            words = ["unlearning-pl", "benchmark", name, *budget.words(), "--seeds", *map(str, seeds)]
            words += [] if output == "runs/benchmark" else ["--output", output]
            written.append(write_tuned_plan(path, plan, shlex.join(words), budget, tuned))
    return written


def check_tuning(plan: Plan, seeds: Sequence[int], budget: Budget) -> Mapping[str, SearchSpace]:
    """Check that a plan can be tuned, apart from its images, and return the ranges of its rows.

    Args:
        plan: The plan.
        seeds: Reported seeds.
        budget: Number of trials, their seed and the bound on test accuracy.

    Raises:
        InputError: If Optuna is missing, a row has no ranges, or a seed of the tuning is one of the reported.
    """
    require_optuna()
    check_tuning_request(plan, seeds, budget)
    return search_spaces(plan)


def _with_other_images(
    plan: Plan, spaces: Mapping[str, SearchSpace], path: Path, seeds: Sequence[int], budget: Budget
) -> Plan:
    """The plan with a forget request of images that no reported seed forgets."""
    settings = next(iter(spaces.values())).settings[ORIGINAL]["data"]
    forget = tuning_request(settings, plan.job.forget, seeds, budget.seed, path.parent)
    return plan._replace(job=replace(plan.job, forget=forget))


def _tuned_path(plan: Plan, output: str) -> Path:
    return Path(output).expanduser() / plan.path.stem / "tuning" / f"{plan.path.stem}.yaml"


def _require_untuned(plan: Plan, path: Path) -> None:
    require(
        plan.path.resolve() != path.resolve(),
        f"Expected another plan than {path} with --tune, which a tuning has written. Give the plan that was tuned.",
    )


def _tune_rows(tuning: _Tuning, spaces: Mapping[str, SearchSpace]) -> list[Tuned]:
    path, tuned, limit = tuning.folder / TRIALS, [], tuning.budget.trials
    recorded = read_trials(path)
    found = {row: recorded.setdefault(f"{row}-{_digest(tuning, space)}", []) for row, space in spaces.items()}
    progress = Progress(
        f"Tuning {tuning.plan.path.stem}", sum(max(0, limit - len(one)) for one in found.values()), "trials"
    )
    for row, space in spaces.items():
        trials = found[row]
        _delete_runs(tuning, row, trials)  # a command that was killed may have left some
        while len(trials) < limit:
            wave = _run_wave(tuning, row, space, trials)
            trials += wave
            write_trials(path, recorded)
            _describe(row, trials, len(wave), limit)
            _delete_runs(tuning, row, trials)
            progress.advance(len(wave), len(wave))
        counted = trials[:limit]  # more were made by an earlier command
        best = best_trial(counted)
        words = tuning.plan.job.methods[row]
        tuned.append(Tuned(row, space.ranges, counted, best, _words(words, counted, best)))
    return tuned


def _run_wave(tuning: _Tuning, row: str, space: SearchSpace, trials: Sequence[Trial]) -> list[Trial]:
    """Run the rest of a wave with one audit; settings that were tried have the figures of their first trial."""
    budget, first, words = tuning.budget, len(trials), tuning.plan.job.methods[row]
    end = next(number for number in count(first + 1) if number == budget.trials or wave_start(number) == number)
    drawn = [suggest_settings(space, trials, budget.seed, budget.bound, number) for number in range(first, end)]
    tried = [*(trial.settings for trial in trials), *drawn]
    new = {number: drawn[number - first] for number in range(first, end) if tried.index(tried[number]) == number}
    methods = {
        _run_name(row, number): f"{words} {option_words(settings)}" if number else words
        for number, settings in new.items()
    }
    judged = dict(enumerate(trials))
    if methods:
        outcomes = _run(tuning, methods)
        judged |= {number: _judge(tuning, row, number, settings, outcomes) for number, settings in new.items()}
    repeated = {
        n: judged[tried.index(tried[n])]._replace(seconds=0.0, passes=0) for n in range(first, end) if n not in new
    }
    return [repeated.get(number) or judged[number] for number in range(first, end)]


def _run(tuning: _Tuning, methods: Mapping[str, str]) -> dict[str, Outcome]:
    """Result of each run: of one audit of all, or, if that fails, of an audit each, so that it fails for its own."""
    plan, seed = tuning.plan.job, tuning.budget.seed
    job = replace(plan, methods=methods, audit=f"{plan.audit} {_NOT_NEEDED}".strip())
    folder = tuning.folder / f"seed{seed}"
    progress = Progress("Wave of trials", job.command_count, "commands")
    outcome = run_seed(job, seed, folder, tuning.command, progress, tuning.processes)
    failed = [f"{run}: {why}" for run, why in outcome.failures.items() if run in (ORIGINAL, *job.retrained)]
    if failed:
        raise UnfinishedError(f"Failed: {failed[0]} ({folder}). The same command tries again.")
    if "audit" not in outcome.failures or len(methods) == 1:
        return dict.fromkeys(methods, outcome)
    ended = dict.fromkeys(outcome.failures.keys() & methods.keys(), outcome)
    found = {name: ended.get(name) or _run(tuning, {name: words})[name] for name, words in methods.items()}
    audited = [name for name in found if name not in found[name].failures]
    if audited and all("audit" in found[name].failures for name in audited):
        raise UnfinishedError(f"Failed: audit: {found[audited[0]].failures['audit']} ({folder}). Correct the plan.")
    return found


def _judge(
    tuning: _Tuning, row: str, number: int, settings: Mapping[str, Any], outcomes: Mapping[str, Outcome]
) -> Trial:
    name, job = _run_name(row, number), tuning.plan.job
    run = tuning.folder / f"seed{tuning.budget.seed}" / name
    failed = name in outcomes[name].failures or "audit" in outcomes[name].failures
    record = {} if failed else runs.read_record(run)
    return judge_trial(settings, outcomes[name], name, job.retrained, tuning.budget.bound, record)


def _words(words: str, trials: Sequence[Trial], best: int | None) -> str:
    """Options of a row with the chosen settings; the plan's own if the first trial, or none, was chosen."""
    return f"{words} {option_words(trials[best].settings)}" if best else words


def _run_name(row: str, number: int) -> str:
    return f"{row}-trial{number}"


def _digest(tuning: _Tuning, space: SearchSpace) -> str:
    """What decides the trials of a row: settings of all runs, audit, ranges, seed, bound and version of the search."""
    settings: dict[str, Any] = {}
    for name, parsed in space.settings.items():
        data = {key: value for key, value in parsed["data"].items() if key != "workers"}
        settings[name] = {key: value for key, value in parsed.items() if key not in _SAME_RESULT} | {"data": data}
    ranges = {option: given._asdict() for option, given in space.ranges.items()}
    images = Path(tuning.plan.job.forget["file"]).name
    parts = [settings, ranges, images, tuning.plan.job.audit, tuning.budget.seed, tuning.budget.bound]
    parts += [SEARCH] if SEARCH > 1 else []  # trials recorded before versions were counted are of the first
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _describe(row: str, trials: Sequence[Trial], new: int, count: int) -> None:
    for number, trial in list(enumerate(trials, 1))[-new:]:
        figures = "no audit" if trial.distance is None else f"distance {trial.distance:.3f}"
        text = f"{row}, trial {number} of {count}: {figures}{f', {trial.reason}' if trial.reason else ''}; "
        line = f"{text}{write_inline_yaml(trial.settings)}"
        open_console().print(line, soft_wrap=True, highlight=False, markup=False)


def _delete_runs(tuning: _Tuning, row: str, trials: Sequence[Trial]) -> None:
    """Delete the runs of all trials but the best, whose figures are recorded, and the output of their processes."""
    best = best_trial(trials)
    for number in range(len(trials)):
        if number != best and not tuning.budget.keep:
            run = tuning.folder / f"seed{tuning.budget.seed}" / _run_name(row, number)
            shutil.rmtree(run, ignore_errors=True)
            run.with_name(f"{run.name}.log").unlink(missing_ok=True)
