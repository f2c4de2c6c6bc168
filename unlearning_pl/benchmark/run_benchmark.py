"""Run plans over several seeds: keep finished runs, repeat runs whose settings changed, record failures."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from unlearning_pl.benchmark.benchmark_plan import Plan, read_plans
from unlearning_pl.benchmark.benchmark_table import Outcome, main_table, render_page
from unlearning_pl.benchmark.job import Command, Job
from unlearning_pl.benchmark.result_files import write_results
from unlearning_pl.benchmark.run_claims import run_claims, run_concurrently
from unlearning_pl.benchmark.seed_runs import SeedRuns
from unlearning_pl.benchmark.shares import share_seeds
from unlearning_pl.distributed.launchers import require_single_process
from unlearning_pl.errors import DivergedError, InputError, UnfinishedError, require
from unlearning_pl.io import write_text
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training.progress_log import Progress


def benchmark(
    command: Command,
    plans: Sequence[str],
    seeds: Sequence[int],
    output: str,
    allow: Sequence[str] = (),
    only: Sequence[str] | None = None,
    processes: int = 1,
    share: tuple[int, int] = (1, 1),
) -> list[Path]:
    """Run plans over several seeds, and write and print a table of each.

    A finished run is kept as long as its command, its settings and the original's weights are unchanged. Runs are in
    ``OUTPUT/PLAN/seedK/NAME``, the table in ``OUTPUT/PLAN/table.md``, and every figure in ``results.csv`` and
    ``results.parquet`` beside it. Other benchmarks may work on the same folder: each run is made by one of them, the
    others wait for it where nothing else remains, and the end of each has the runs of all.

    Args:
        command: Runs one command line, given as a list of words.
        plans: Paths or names of plans, see :func:`unlearning_pl.benchmark.benchmark_plan.read_plans`.
        seeds: Seeds of weights, batches and requests.
        output: Output folder.
        allow: Packages or classes that the configurations of the runs may name, besides this package's and the plans'.
        only: Methods to run, by their rows; all if None. The table has those of the others that are finished.
        processes: Number of runs at the same time. Several are child processes of the command ``unlearning-pl``, and
            ``command`` runs nothing.
        share: K and N, to make every N-th pair of plan and seed from the K-th on.

    Returns:
        The tables, one for each plan of which the share has a seed.

    Raises:
        InputError: If a plan is invalid, seeds are out of range or given twice, a plan lacks a row of ``only``,
            ``processes`` is below 1, or this is one of several processes of a job; raised before any run.
        UnfinishedError: If runs failed; the table lists them and has the results of the others.
    """
    read = check_request(plans, seeds, allow, processes)
    check_rows(read, only)
    shares = zip(plans, read, share_seeds(len(read), seeds, share), strict=True)
    planned = [_PlanRuns(name, plan, own, output, only) for name, plan, own in shares if own]
    every = [(plan, one) for plan in planned for one in plan.seeds]

    def write() -> None:
        for plan in planned:
            plan.write_ended()

    if processes == 1:
        run_claims([one for _, one in every], command, on_seed_end=write)
    else:
        run_concurrently([one for _, one in every], processes, write)
    failed = [f"{run} of {plan.folder.name}, seed {one.seed}" for plan, one in every for run in one.failures]
    if failed:
        raise UnfinishedError(f"Failed: {'; '.join(failed)}. The table has the reasons; the same command tries again.")
    return [plan.table for plan in planned]


def check_request(
    plans: Sequence[str], seeds: Sequence[int], allow: Sequence[str] = (), processes: int = 1
) -> list[Plan]:
    """Read the plans of a command, and check that it can run them over the seeds.

    Args:
        plans: As for :func:`benchmark`, like the others.
        seeds: Seeds of weights, batches and requests.
        allow: Packages or classes that the configurations of the runs may name.
        processes: Number of runs at the same time.

    Raises:
        InputError: If a plan is invalid, seeds are out of range or given twice, ``processes`` is below 1, or this is
            one of several processes of a job.
    """
    require_single_process()
    require(processes >= 1, f"Expected --processes >= 1, got {processes}. Give 1 to make one run after the other.")
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    require(repeated is None, f"Expected different seeds, got {repeated} twice. Give each once.")
    for seed in seeds:
        require(0 <= seed < 2**32, f"Expected seeds from 0 to {2**32 - 1}, got {seed}. Choose others.")
    read = read_plans(plans, allow)
    for plan in read:
        _check_reference_seeds(plan, max(seeds, default=0))
    return read


def check_rows(plans: Sequence[Plan], only: Sequence[str] | None) -> None:
    """Check that every plan has the rows that a command names.

    Raises:
        InputError: If a plan has no row of a name.

    Example:
        >>> check_rows([], ["fine_tune"])
    """
    for name in only or ():
        for plan in plans:
            known = [*plan.job.methods]
            require(
                name in known, f"Expected rows of {plan.path} as --only, got {name}. Its rows are {', '.join(known)}."
            )


def run_seed(job: Job, seed: int, folder: Path, command: Command, progress: Progress, processes: int = 1) -> Outcome:
    """Execute every run of a job for one seed, except for finished ones, and audit them.

    Args:
        job: The commands of the runs.
        seed: Seed of weights, batches and the request.
        folder: Folder of the runs.
        command: Runs one command line, given as a list of words.
        progress: Counts the commands.
        processes: Number of runs at the same time. A run that fails in a child process is made again in this one, since
            only an exception tells invalid settings from a lack of memory.

    Returns:
        The metrics of every audited model, and the errors of the others.
    """
    runs_of_seed = SeedRuns(job, seed, folder, progress)
    if processes > 1:
        run_concurrently([runs_of_seed], processes)
        if not runs_of_seed.failures:
            return runs_of_seed.outcome()
        runs_of_seed = SeedRuns(job, seed, folder, Progress("Runs that failed", job.command_count, "commands"))
    run_claims([runs_of_seed], command, (InputError, DivergedError, MisconfigurationException))
    return runs_of_seed.outcome()


def _check_reference_seeds(plan: Plan, seed: int) -> None:
    highest = plan.job.reference_seeds(seed)[-1]
    require(
        highest < 2**32,
        f"Expected seeds from 0 to {2**32 - 1 - (highest - seed)} for {plan.path}, got {seed}, whose "
        f"{plan.job.references} retrained models go up to {highest}. Choose others.",
    )


class _PlanRuns:
    """The runs of a plan over the seeds, and its files of results."""

    def __init__(self, name: str, plan: Plan, seeds: Sequence[int], output: str, only: Sequence[str] | None) -> None:
        self.plan, self.folder = plan, Path(output).expanduser() / plan.path.stem
        self.table = self.folder / "table.md"
        self._words = ["unlearning-pl", "benchmark", name, "--seeds", *map(str, seeds)]
        self._words += [] if output == "runs/benchmark" else ["--output", output]
        self._words += [] if only is None else ["--only", *only]
        self._rows = [name for name in plan.job.methods if only is None or name in only]
        commands = len(seeds) * replace(plan.job, methods=dict.fromkeys(self._rows, "")).command_count
        progress = Progress(f"Benchmark {plan.path.stem}", commands, "commands")
        self.seeds = [SeedRuns(plan.job, seed, self.folder / f"seed{seed}", progress, only) for seed in seeds]
        self._ended = 0

    def write_ended(self) -> None:
        """Write the results if a seed has ended since the last call, and the table if it was the last one."""
        ended = sum(one.is_done for one in self.seeds)
        if ended == self._ended:
            return
        self._ended = ended
        self.folder.mkdir(parents=True, exist_ok=True)
        write_results(self.folder)
        if ended == len(self.seeds):
            self._write_table()

    def _write_table(self) -> None:
        plan, outcomes = self.plan, [one.outcome() for one in self.seeds]
        shown = {*self._rows, *(name for one in outcomes for name in one.metrics)}
        methods = [name for name in plan.job.methods if name in shown]
        write_text(self.table, render_page(plan.title, shlex.join(self._words), methods, outcomes, plan.notes))
        text = f"\n{main_table(methods, outcomes)}\nTable: {self.table}"
        open_console().print(text, soft_wrap=True, highlight=False, markup=False)
