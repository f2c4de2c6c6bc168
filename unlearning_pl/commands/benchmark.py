"""The command ``benchmark``."""

from pathlib import Path

from jsonargparse import ArgumentParser, Namespace

from unlearning_pl.benchmark import benchmark
from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.benchmark.planned_runs import describe, describe_total, planned_runs
from unlearning_pl.benchmark.planned_tuning import describe_tuning, planned_tuning
from unlearning_pl.benchmark.run_benchmark import check_request, check_rows
from unlearning_pl.benchmark.run_states import run_states
from unlearning_pl.benchmark.shares import parse_share, share_seeds
from unlearning_pl.benchmark.tuning import check_tuning, tune
from unlearning_pl.benchmark.tuning_request import TUNE_BOUND, TUNE_SEED, Budget
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.main import run
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.errors import require
from unlearning_pl.report.terminal import open_console


def benchmark_parser() -> ArgumentParser:
    """Create the parser of the command ``benchmark``."""
    parser = make_parser(
        "benchmark",
        "Run plans over several seeds and write a table. Finished runs are kept: repeat the command to resume.",
    )
    parser.add_argument("plan", type=str, nargs="+", help="Plans: files, or names such as benchmarks/digits_simclr.")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="Seeds of weights, batches and requests."
    )
    parser.add_argument("--output", type=str, default="runs/benchmark", help="Folder of the runs and the tables.")
    parser.add_argument(
        "--tune", type=int | None, default=None, help="Trials to tune each method with first, on a seed of their own."
    )
    parser.add_argument("--tune_seed", type=int, default=TUNE_SEED, help="Seed of the trials; none of --seeds.")
    parser.add_argument(
        "--tune_bound",
        type=float,
        default=TUNE_BOUND,
        help="Points of test accuracy that a trial may be below the retrained models.",
    )
    parser.add_argument("--keep_trials", type=bool, default=False, help="Keep the runs of all trials, not of the best.")
    parser.add_argument(
        "--only",
        type=str,
        nargs="+",
        default=None,
        help="Rows to run; the table has those of the others that are there.",
    )
    parser.add_argument(
        "--processes", type=int, default=1, help="Runs at the same time, each on one GPU or on the CPU."
    )
    parser.add_argument(
        "--share",
        type=str,
        default="1/1",
        help="K/N: this job makes every N-th pair of plan and seed, from the K-th on.",
    )
    parser.add_argument("--list", action="store_true", help="List the runs and their states, and run nothing.")
    parser.add_argument(
        "--dry_run",
        "--dry-run",
        action="store_true",
        help="Print the commands, the images that they read and their hours, and run nothing.",
    )
    add_allow(parser)
    return parser


def run_benchmark(args: list[str]) -> LastLines | None:
    """Run the command ``benchmark``."""
    options = parse_args(benchmark_parser(), args)
    budget = _budget(options)
    share = parse_share(options.share)
    output = Path(options.output).expanduser()
    place = next((path for path in (output, *output.parents) if path.exists()), output)
    require(place.is_dir(), f"Expected a folder as --output, got {output}, where {place} is a file. Choose another.")
    if options.list or options.dry_run:
        _list(options) if options.list else _dry_run(options, budget)
        return None
    with progress_lines():
        plans = options.plan
        if budget is not None:
            tuned = tune(run, plans, options.seeds, options.output, budget, options.allow, options.processes)
            plans = [*map(str, tuned)]
        tables = benchmark(
            run, plans, options.seeds, options.output, options.allow, options.only, options.processes, share
        )
    written = f"Runs: {output}"
    if not tables:
        return LastLines(f"{written}. Share {options.share} has no seed: there are fewer than shares.")
    first = next(own[0] for own in share_seeds(len(plans), options.seeds, share) if own)
    page = tables[0].parent / f"seed{first}" / "audit/report.html"
    return LastLines(written, page_written(page).hint if page.is_file() else "")  # a plan may ask for none


def _budget(options: Namespace) -> Budget | None:
    """The budget of a tuning; None without one."""
    given = Budget(options.tune or 0, options.tune_seed, options.tune_bound, options.keep_trials)
    if options.tune is not None:
        others = {"--list": options.list, "--only": options.only}
        others["--share"] = options.share != "1/1"
        without = next((option for option, given_too in others.items() if given_too), "")
        require(
            not without,
            f"Expected {without} without --tune, which tunes all rows in one job, got both. Leave one of them out.",
        )
        return given
    words = given.words()[2:]
    require(not words, f"Expected --tune with {' '.join(words)}, got none. Add it, or leave the others out.")
    return None


def _read_plans(options: Namespace, option: str) -> list[tuple[Plan, Path]]:
    """The plans of a command that runs nothing, and their folders."""
    others = {"--share": options.share != "1/1", "--processes": options.processes != 1}
    others["--dry_run"] = options.list and options.dry_run
    for other, given in others.items():
        require(not given, f"Expected one of {option} and {other}, got both. Leave one of them out.")
    plans = check_request(options.plan, options.seeds, options.allow)
    check_rows(plans, options.only)
    return [(plan, Path(options.output).expanduser() / plan.path.stem) for plan in plans]


def _dry_run(options: Namespace, budget: Budget | None) -> None:
    """Print the commands of the runs that are not finished, their image passes and hours, and those of a tuning."""
    for plan, folder in _read_plans(options, "--dry_run"):
        if budget is not None:
            check_tuning(plan, options.seeds, budget)
            tuned = describe_tuning(plan, budget, planned_tuning(plan, budget, folder))
            open_console().print(tuned, soft_wrap=True, highlight=False, markup=False)
        planned = [*planned_runs(plan, options.seeds, folder, options.only)]
        text = "\n".join([*map(describe, planned), f"{plan.path.stem}: {describe_total(planned)}"])
        open_console().print(text, soft_wrap=True, highlight=False, markup=False)


def _list(options: Namespace) -> None:
    """Print a line for each run: plan, seed, name and state."""
    for plan, folder in _read_plans(options, "--list"):
        for one in run_states(plan, options.seeds, folder, options.only):
            line = f"{one.plan}  seed {one.seed}  {one.name}  {one.state}"
            open_console().print(line, soft_wrap=True, highlight=False, markup=False)
