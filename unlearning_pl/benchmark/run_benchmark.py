"""Run plans over several seeds: keep finished runs, repeat runs whose settings changed, record failures."""

import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException

from unlearning_pl.benchmark.benchmark_plan import Plan, read_plans
from unlearning_pl.benchmark.benchmark_table import Outcome, main_table, render_page
from unlearning_pl.benchmark.job import ORIGINAL, Command, Job, run_command
from unlearning_pl.benchmark.result_files import write_results
from unlearning_pl.cli.finished_runs import RESUME_OPTIONS, can_resume, is_audited, is_finished_run
from unlearning_pl.distributed.launchers import require_single_process
from unlearning_pl.errors import DivergedError, InputError, UnfinishedError, require
from unlearning_pl.io import write_text
from unlearning_pl.report import read_report
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training import runs
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_folder


def benchmark(
    command: Command, plans: Sequence[str], seeds: Sequence[int], output: str, allow: Sequence[str] = ()
) -> list[Path]:
    """Run plans over several seeds, and write and print a table of each.

    A finished run is kept as long as its command, its settings and the original's weights are unchanged. Runs are in
    ``OUTPUT/PLAN/seedK/NAME``, the table in ``OUTPUT/PLAN/table.md``, and every figure in ``results.csv`` and
    ``results.parquet`` beside it.

    Args:
        command: Runs one command line, given as a list of words.
        plans: Paths or names of plans, see :func:`unlearning_pl.benchmark.benchmark_plan.read_plans`.
        seeds: Seeds of weights, batches and requests.
        output: Output folder.
        allow: Packages or classes that the configurations of the runs may name, besides this package's and the plans'.

    Returns:
        The tables, one a plan.

    Raises:
        InputError: If a plan is invalid, seeds are out of range or given twice, there are several processes, or another
            benchmark runs one of the seeds in the same folder; raised before any run.
        UnfinishedError: If runs failed; the table lists them and has the results of the others.
    """
    failed, tables, folder = [], list[Path](), Path(output).expanduser()
    planned = [
        (plan, {seed: folder / plan.path.stem / f"seed{seed}" for seed in seeds})
        for plan in check_request(plans, seeds, allow)
    ]
    with ExitStack() as locks:  # a lock a seed, since other seeds may run concurrently
        for _, folders in planned:
            for one in folders.values():
                locks.enter_context(lock_folder(one, "--output or other --seeds"))
        for name, (plan, folders) in zip(plans, planned, strict=True):
            progress = Progress(f"Benchmark {plan.path.stem}", len(seeds) * plan.job.command_count, "commands")
            outcomes = []
            for seed, one in folders.items():
                outcomes.append(run_seed(plan.job, seed, one, command, progress))
                write_results(folder / plan.path.stem)
            tables.append(folder / plan.path.stem / "table.md")
            _write(plan, outcomes, tables[-1], ["unlearning-pl", "benchmark", name], output)
            failed += [f"{run} of {plan.path.stem}, seed {o.seed}" for o in outcomes for run in o.failures]
    if failed:
        raise UnfinishedError(f"Failed: {'; '.join(failed)}. The table has the reasons; the same command tries again.")
    return tables


def check_request(plans: Sequence[str], seeds: Sequence[int], allow: Sequence[str] = ()) -> list[Plan]:
    """Read the plans of a command, and check that it can run them over the seeds.

    Args:
        plans: As for :func:`benchmark`, like the others.
        seeds: Seeds of weights, batches and requests.
        allow: Packages or classes that the configurations of the runs may name.

    Raises:
        InputError: If a plan is invalid, seeds are out of range or given twice, or there are several processes.
    """
    require_single_process()
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    require(repeated is None, f"Expected different seeds, got {repeated} twice. Give each once.")
    for seed in seeds:
        require(0 <= seed < 2**32, f"Expected seeds from 0 to {2**32 - 1}, got {seed}. Choose others.")
    read = read_plans(plans, allow)
    for plan in read:
        _check_reference_seeds(plan, max(seeds, default=0))
    return read


def run_seed(job: Job, seed: int, folder: Path, command: Command, progress: Progress) -> Outcome:
    """Execute every run of a job for one seed, except for finished ones, and audit them.

    Args:
        job: The commands of the runs.
        seed: Seed of weights, batches and the request.
        folder: Folder of the runs.
        command: Runs one command line, given as a list of words.
        progress: Counts the commands.

    Returns:
        The metrics of every audited model, and the errors of the others.
    """
    failures: dict[str, str] = {}
    references = [ORIGINAL, *job.retrained]
    for name, line in job.runs(seed, str(folder)).items():
        progress.finish_round(kept=not _attempt(name, line, folder / name, command, failures))
        if name in references and name in failures:
            return Outcome(seed, {}, failures, [])
    names = [name for name in job.methods if name not in failures]
    line = job.report(str(folder), names)
    kept = not names or is_audited(shlex.split(line), folder / "audit", [folder / one for one in [*references, *names]])
    if not kept:
        _attempt("audit", line, None, command, failures)
    progress.finish_round(kept)
    if not names or "audit" in failures:
        return Outcome(seed, {}, failures, [])
    records = [runs.read_record(folder / name) for name in (*references, *names)]
    audits = read_report(folder / "audit/report.json")["audits"]
    verdicts = {audit["name"]: audit["verdict"]["kind"] for audit in audits if "verdict" in audit}
    return Outcome(seed, {audit["name"]: audit["metrics"] for audit in audits}, failures, records, verdicts)


def _check_reference_seeds(plan: Plan, seed: int) -> None:
    highest = plan.job.reference_seeds(seed)[-1]
    require(
        highest < 2**32,
        f"Expected seeds from 0 to {2**32 - 1 - (highest - seed)} for {plan.path}, got {seed}, whose "
        f"{plan.job.references} retrained models go up to {highest}. Choose others.",
    )


def _with_resume(line: str, run: Path) -> str:
    """The command line, with the options to resume if its run was interrupted."""
    words = shlex.split(line)
    return shlex.join([*words, *RESUME_OPTIONS]) if can_resume(words, run) else line


def _attempt(name: str, line: str, run: Path | None, command: Command, failures: dict[str, str]) -> bool:
    """Run a command, unless its run is finished; record invalid input or divergence, any other error is raised.

    Returns:
        Whether it ran.
    """
    try:
        if run is not None and is_finished_run(shlex.split(line), run):
            return False
        run_command(line if run is None else _with_resume(line, run), command)
    except (InputError, DivergedError, MisconfigurationException) as error:
        failures[name] = " ".join(str(error).split())
        open_console().print(f"{name} failed: {failures[name]}", soft_wrap=True, highlight=False, markup=False)
    return True


def _write(plan: Plan, outcomes: Sequence[Outcome], path: Path, words: list[str], output: str) -> None:
    words += ["--seeds", *(str(outcome.seed) for outcome in outcomes)]
    words += [] if output == "runs/benchmark" else ["--output", output]
    write_text(path, render_page(plan.title, shlex.join(words), [*plan.job.methods], outcomes, plan.notes))
    text = f"\n{main_table([*plan.job.methods], outcomes)}\nTable: {path}"
    open_console().print(text, soft_wrap=True, highlight=False, markup=False)
