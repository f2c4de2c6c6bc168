"""The command ``figures``."""

from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from jsonargparse.typing import PositiveInt
from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.audits.embeddings import require_views
from unlearning_pl.benchmark.plan_figures import PlanFigures, plan_figures
from unlearning_pl.benchmark.result_files import read_results
from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.audit_options import Accelerator
from unlearning_pl.cli.command_parser import add_allow, make_parser, parse_args
from unlearning_pl.cli.data_options import HELP, open_run_data, split_data_options
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError, printable, quote, require, suggest_names
from unlearning_pl.evaluation.audit_report import check_runs, open_learners
from unlearning_pl.figures.figure_files import write_figure
from unlearning_pl.figures.kept_checkpoints import open_checkpoints
from unlearning_pl.figures.kinds import KINDS, Kind
from unlearning_pl.learners import Learner
from unlearning_pl.report.output_folder import make_output_folder

_READS: dict[str, tuple[str, ...]] = {
    "models": ("model", "original", "retrained"),
    "checkpoints": ("model",),
    "results": ("results",),
}
_OPTIONS = ("results", "model", "original", "retrained", "rows", "views")


def figures_parser() -> ArgumentParser:
    """Create the parser of the command ``figures``.

    Example:
        >>> figures_parser().parse_args(["gradient_norms", "--model", "runs/ac"]).kind
        'gradient_norms'
    """
    parser = make_parser(
        "figures", f"Draw a figure of the papers from finished runs, as PNG, SVG and the numbers drawn.{HELP}"
    )
    parser.add_argument("kind", type=str, help=f"What to draw: {', '.join(KINDS)}.")
    parser.add_argument("--model", type=str, nargs="+", default=[], help="Run folders of unlearned models.")
    parser.add_argument("--original", type=str | None, default=None, help="Run folder that the models started from.")
    parser.add_argument(
        "--retrained", type=str, nargs="+", default=[], help="Run folders trained on the retain set only."
    )
    parser.add_argument(
        "--results",
        type=str,
        nargs="+",
        default=[],
        help="Files or folders of results, as `unlearning-pl report` reads.",
    )
    parser.add_argument("--views", type=int | None, default=None, help="Augmented views per image.")
    parser.add_argument(
        "--rows", type=PositiveInt | None, default=None, help="Most images of each split; of theorem_1, of each class."
    )
    parser.add_argument("--output", type=str, default="figures", help="Folder of the figures and their page.")
    parser.add_argument("--accelerator", type=Accelerator, default="auto", help="Accelerator to run the models on.")
    add_allow(parser)
    return parser


def figures(args: list[str]) -> LastLines:
    """Run the command ``figures``."""
    words, data_options = split_data_options(args)
    options = parse_args(figures_parser(), words)
    if options.kind not in KINDS:
        raise InputError(f"Expected a kind of figure, got {quote(options.kind)}. {suggest_names(options.kind, KINDS)}")
    kind = KINDS[options.kind]
    _check_options(options.kind, kind, options)
    if options.views is not None:
        require_views(options.views)
    chosen: dict[str, Any] = {key: options[key] for key in kind.options if options[key] is not None}
    with progress_lines():
        if kind.reads == "results":
            read: tuple[Any, ...] = (_read_plan(options, data_options),)
        else:
            read = _open_models(kind, options, data_options)
            chosen["accelerator"] = options.accelerator
        folder = make_output_folder(Path(options.output).expanduser())
        drawing = kind.draw(*read, **chosen)
    page = write_figure(folder, options.kind, drawing, ["unlearning-pl", "figures", *args])
    return LastLines(f"Figure: {folder / options.kind}.png", page_written(page).hint)


def _check_options(name: str, kind: Kind, options: Namespace) -> None:
    """Check that a kind gets what it reads, and nothing that it does not."""
    reads = (*_READS[kind.reads], *kind.options)
    remedy = "Give results of a benchmark." if kind.reads == "results" else "Give a finished run."
    require(bool(options[reads[0]]), f"Expected --{reads[0]} for {name}, got none. {remedy}")
    for option in _OPTIONS:
        require(
            option in reads or options[option] in (None, []),
            f"Expected --{', --'.join(reads)} for {name}, got --{option}, which it does not read. Leave it out.",
        )


def _read_plan(options: Namespace, data_options: list[str]) -> PlanFigures:
    given = ", ".join(data_options[:1])
    require(not given, f"Expected --results for {options.kind}, got {given}, which it does not read. Leave it out.")
    plans = plan_figures(read_results(options.results))
    names = ", ".join(printable(plan.name) for plan in plans)
    require(len(plans) == 1, f"Expected results of one plan, got those of {names}. Draw a figure of each.")
    return plans[0]


def _open_models(kind: Kind, options: Namespace, data_options: list[str]) -> tuple[dict[str, Learner], UnlearningData]:
    allow = [*options.allow, *allowed_classes(data_options)]
    if kind.reads == "checkpoints":
        count = len(options.model)
        require(count == 1, f"Expected one run as --model of {options.kind}, got {count}. Draw a figure of each.")
        learners = open_checkpoints(options.model[0], allow)
        return learners, open_run_data(options.model[0], data_options, "figures", allow)
    named, weights = check_runs(options.model, options.original, options.retrained, allow)
    for name, note in weights.notes.items():
        rank_zero_warn(f"{name}: {note}")
    data = open_run_data(options.model[0], data_options, "figures", allow)
    return open_learners(named, allow), data
