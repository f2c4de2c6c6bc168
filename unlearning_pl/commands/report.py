"""The command ``report``."""

from pathlib import Path
from typing import Literal

from jsonargparse import ArgumentParser

from unlearning_pl.benchmark.result_files import plan_folders, read_results
from unlearning_pl.benchmark.result_pages import write_pages
from unlearning_pl.benchmark.results import incomplete_seeds
from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.report.terminal import open_console


def report_parser() -> ArgumentParser:
    """Create the parser of the command ``report``."""
    parser = make_parser(
        "report",
        "Write the results of benchmarks as Markdown, LaTeX and one HTML page with plots; nothing is run.",
    )
    parser.add_argument(
        "results",
        type=str,
        nargs="+",
        help="results.csv or results.parquet files, or folders of benchmark, such as runs/benchmark/digits_simclr.",
    )
    parser.add_argument("--to", type=str, default="results", help="Folder of the pages and plots.")
    parser.add_argument(
        "--columns",
        type=Literal["muc", "coun", "all"],
        default="all",
        help="Columns of the tables: in the order of MUC's or CoUn's, or all metrics.",
    )
    return parser


def report(args: list[str]) -> LastLines:
    """Run the command ``report``."""
    options = parse_args(report_parser(), args)
    results = read_results(options.results)
    folder = make_output_folder(Path(options.to).expanduser(), "--to")
    for path in (Path(name).expanduser() for name in options.results):
        for plan in (path, *plan_folders(path)):
            if seeds := incomplete_seeds(plan):
                text = f"Left out of {plan}, since they are not complete: seeds {', '.join(map(str, seeds))}."
                open_console().print(text, soft_wrap=True, highlight=False, markup=False)
    page = write_pages(results, folder, options.columns, ["unlearning-pl", "report", *args])
    return LastLines(f"Results: {folder}", page_written(page).hint)
