"""The command ``benchmark``."""

from pathlib import Path

from jsonargparse import ArgumentParser

from unlearning_pl.benchmark import benchmark
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.main import run
from unlearning_pl.commands.progress_lines import progress_lines


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
    add_allow(parser)
    return parser


def run_benchmark(args: list[str]) -> LastLines:
    """Run the command ``benchmark``."""
    options = parse_args(benchmark_parser(), args)
    with progress_lines():
        tables = benchmark(run, options.plan, options.seeds, options.output, options.allow)
    page = tables[0].parent / f"seed{options.seeds[0]}" / "audit/report.html"
    return LastLines(f"Runs: {Path(options.output).expanduser()}", page_written(page).hint)
