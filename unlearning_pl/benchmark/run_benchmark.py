"""Plans over several seeds: what is finished is kept, what changed is made again, what fails is noted."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console

from unlearning_pl.benchmark.benchmark_plan import Plan, read_plans
from unlearning_pl.benchmark.benchmark_table import Outcome, figures, page
from unlearning_pl.benchmark.job import REFERENCES, Command, Job, require_single_process, run_command
from unlearning_pl.cli.finished_runs import RESUMING, finished, interrupted
from unlearning_pl.errors import DivergedError, InputError, UnfinishedError, require
from unlearning_pl.io import write_text
from unlearning_pl.report import read_report
from unlearning_pl.training import runs


def benchmark(command: Command, plans: Sequence[str], seeds: Sequence[int], output: str) -> None:
    """Run plans over several seeds, and write and print a table of each.

    A run that is finished is kept as long as its command, its settings and the original's weights are what they were.
    Runs lie in ``OUTPUT/PLAN/seedK/NAME`` and the table in ``OUTPUT/PLAN/table.md``.

    Args:
        command: Runs one command line, a list of words.
        plans: Files of plans, see :func:`unlearning_pl.benchmark.benchmark_plan.read_plans`.
        seeds: Seeds of weights, batches and requests.
        output: Folder of everything.

    Raises:
        InputError: If a plan cannot be run, seeds are negative or given twice, or there are several processes; nothing
            has been run then.
        UnfinishedError: If runs failed; the table names them and has the others.
    """
    require_single_process()
    repeated = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    require(repeated is None, f"Expected different seeds, got {repeated} twice. Name each once.")
    for seed in seeds:
        require(0 <= seed < 2**32, f"Expected seeds from 0 to {2**32 - 1}, got {seed}. Choose others.")
    failed = []
    for plan in read_plans(plans):
        folder = Path(output).expanduser() / plan.path.stem
        outcomes = [run_seed(plan.job, seed, folder / f"seed{seed}", command) for seed in seeds]
        _write(plan, outcomes, folder / "table.md", ["unlearning-pl", "benchmark", str(plan.path)], output)
        failed += [f"{name} of {plan.path.stem}, seed {o.seed}" for o in outcomes for name in o.failures]
    if failed:
        raise UnfinishedError(f"Failed: {'; '.join(failed)}. The table says why; the same command tries again.")


def run_seed(job: Job, seed: int, folder: Path, command: Command) -> Outcome:
    """Make, or keep, every run of a job for one seed, and audit them.

    Args:
        job: The commands.
        seed: Seed of weights, batches and the request.
        folder: Folder of the runs.
        command: Runs one command line, a list of words.

    Returns:
        The metrics of every model, and why others have none.
    """
    failures: dict[str, str] = {}
    for name, line in job.runs(seed, str(folder)).items():
        if not finished(shlex.split(line), folder / name):
            _attempt(name, _going_on(line, folder / name), command, failures)
        if name in REFERENCES and name in failures:
            return Outcome(seed, {}, failures, [])
    names = [name for name in job.methods if name not in failures]
    line = job.report(str(folder), names)
    if names and not _audited(line, folder, [*REFERENCES, *names]):
        _attempt("audit", line, command, failures)
    if not names or "audit" in failures:
        return Outcome(seed, {}, failures, [])
    records = [runs.read_record(folder / name) for name in (*REFERENCES, *names)]
    audits = read_report(folder / "audit/report.json")["audits"]
    return Outcome(seed, {audit["name"]: audit["metrics"] for audit in audits}, failures, records)


def _going_on(line: str, run: Path) -> str:
    """The command, which goes on with what it was interrupted in."""
    words = shlex.split(line)
    return shlex.join([*words, *RESUMING]) if interrupted(words, run) else line


def _attempt(name: str, line: str, command: Command, failures: dict[str, str]) -> None:
    """Run a command; a mistake or a divergence is noted, and anything else stops the benchmark."""
    try:
        run_command(line, command)
    except (InputError, DivergedError, MisconfigurationException) as error:
        failures[name] = " ".join(str(error).split())
        Console().print(f"{name} failed: {failures[name]}", soft_wrap=True, highlight=False, markup=False)


def _audited(line: str, folder: Path, names: Sequence[str]) -> bool:
    """Whether the report is of this command, and younger than every run."""
    report = folder / "audit/report.json"
    made = max((folder / name / runs.RECORD).stat().st_mtime_ns for name in names)
    if not report.is_file() or report.stat().st_mtime_ns < made:
        return False
    try:
        commands = read_report(report)["context"].get("commands", [])
    except (InputError, KeyError, AttributeError):  # damaged, or of an earlier version
        return False
    return bool(commands) and commands[-1] == shlex.join(["unlearning-pl", *shlex.split(line)])


def _write(plan: Plan, outcomes: Sequence[Outcome], path: Path, words: list[str], output: str) -> None:
    words += ["--seeds", *(str(outcome.seed) for outcome in outcomes)]
    words += [] if output == "runs/benchmark" else ["--output", output]
    write_text(path, page(plan.title, shlex.join(words), [*plan.job.methods], outcomes))
    shown = f"\n{figures([*plan.job.methods], outcomes)}\nTable: {path}"
    Console().print(shown, soft_wrap=True, highlight=False, markup=False)
