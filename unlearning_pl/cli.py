"""The commands. They parse, call and report; the work is done elsewhere."""

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Literal

import torch
from jsonargparse import ArgumentParser
from jsonargparse._deprecated import JsonargparseDeprecationWarning
from jsonargparse.typing import PositiveInt
from rich.console import Console

from unlearning_pl import __version__
from unlearning_pl.benchmark import benchmark
from unlearning_pl.blackbox.commands import owner, serve
from unlearning_pl.demo import demo
from unlearning_pl.errors import nearest, require
from unlearning_pl.evaluation.audit_report import audit_runs
from unlearning_pl.parsing import parsed, plain_parser
from unlearning_pl.report import step_table, table
from unlearning_pl.shadow.commands import shadow_attack
from unlearning_pl.splitting.commands import split
from unlearning_pl.training_cli import UnlearningCLI, training
from unlearning_pl.verdicts import exit_code, heard, rank, verdict
from unlearning_pl.view_sheet import draw_views

Accelerator = Literal["auto", "cpu", "gpu", "mps"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
OVERVIEW = f"""unlearning-pl {__version__}: make a trained image encoder forget, and show how well it forgot.

usage: unlearning-pl COMMAND [options]

  demo      the whole job on handwritten digits, in minutes: train, retrain, unlearn five ways, audit
  fit       train a model: the original on all images, or the retrained reference (--data.train_on retain)
  unlearn   make a trained model forget some of its training images
  split     preview a forget request before anything is trained, and choose hard or similar images
  audit     measure unlearned models against the original and the retrained one, and write a report
  owner     what models still know of your own images, by the vectors that they give, wherever they are
  serve     answer images with a model's vectors over HTTP
  benchmark plans of methods over several seeds, as one table with means and standard deviations
  shadow    train shadow models and attack a model and its original with them: LiRA, U-LiRA, RMIA, KLOM
  views     draw a sheet of views of a data set's images, to look at what a model is shown
  validate  loss (and accuracy) of a run on its validation images
  test      loss (and accuracy) of a run on its test images
  predict   features of every image by a run, as predictions.npz

`unlearning-pl COMMAND --help` explains a command. Configurations that stack lie under configs/.
"""


def audit_parser() -> ArgumentParser:
    """Options of the command ``audit``."""
    parser = plain_parser(
        "audit", "Measure unlearned models against the original and the retrained one, and write a report."
    )
    parser.add_argument("--model", type=str, nargs="+", required=True, help="Run folders of unlearned models.")
    parser.add_argument("--original", type=str | None, default=None, help="Run folder of a model they began as.")
    parser.add_argument("--retrained", type=str | None, default=None, help="Run folder trained on the retain set only.")
    parser.add_argument("--views", type=int, default=10, help="Augmented views per image of the membership attack.")
    parser.add_argument("--output", type=str | None, default=None, help="Folder of the report; MODEL/audit if absent.")
    parser.add_argument("--relearning", type=int, default=10, help="Most epochs of relearning; 0 leaves it out.")
    parser.add_argument("--precision", type=Precision, default="32-true", help="Of the models; bf16-mixed is faster.")
    parser.add_argument("--accelerator", type=Accelerator, default="auto", help="Where the models are looked at.")
    parser.add_argument("--devices", type=PositiveInt, default=1, help="Processes of a node; the audit is the same.")
    parser.add_argument("--num_nodes", type=PositiveInt, default=1, help="Nodes.")
    return parser


def audit(args: list[str]) -> None:
    """Run the command ``audit``."""
    options = parsed(audit_parser(), args)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # of the trainings that it needs
    named = (options.model, options.original, options.retrained)
    machine = {key: options[key] for key in ("precision", "accelerator", "devices", "num_nodes")}
    words = ["unlearning-pl", "audit", *args]
    audits, page = audit_runs(*named, options.views, options.output, words, options.relearning, **machine)
    if not audits:  # another process has them
        return
    console = Console() if sys.stdout.isatty() else Console(width=100)
    console.print(table(audits))
    if audits[0].steps:
        console.print(step_table(audits))
    console.print(f"Report: {page}", soft_wrap=True, markup=False)


def demo_parser() -> ArgumentParser:
    """Options of the command ``demo``."""
    parser = plain_parser("demo", "Train, retrain, unlearn five ways and audit on handwritten digits.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of weights, batches and the forget request.")
    parser.add_argument("--run", type=str, default="runs/demo", help="Folder of all its runs; replaced if it exists.")
    return parser


def benchmark_parser() -> ArgumentParser:
    """Options of the command ``benchmark``."""
    parser = plain_parser(
        "benchmark", "Run plans over several seeds and write a table. What is finished is kept: repeat to go on."
    )
    parser.add_argument("plan", type=str, nargs="+", help="Files such as those under configs/benchmarks/.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="Seeds of weights, batches, requests.")
    parser.add_argument("--output", type=str, default="runs/benchmark", help="Folder of the runs and the tables.")
    return parser


def _demo(args: list[str]) -> None:
    options = parsed(demo_parser(), args)
    demo(run, options.seed, options.run)


def _benchmark(args: list[str]) -> None:
    options = parsed(benchmark_parser(), args)
    benchmark(run, options.plan, options.seeds, options.output)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "demo": _demo,
    "audit": audit,
    "owner": owner,
    "serve": serve,
    "benchmark": _benchmark,
    "shadow": shadow_attack,
    "split": split,
    "views": draw_views,
}
"""Those that are not LightningCLI's."""


def run(args: list[str]) -> None:
    """Run one command; errors are exceptions."""
    command, *rest = args
    if command in COMMANDS:
        COMMANDS[command](rest)
    else:
        training(args)


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 1 for a failed job, 2 for a mistake in the input."""
    args = sys.argv[1:] if args is None else args
    commands = [*COMMANDS, *UnlearningCLI.subcommands()]
    if not args or args[0] in ("-h", "--help"):
        sys.stdout.write(OVERVIEW)
        return 0
    if args[0] == "--version":
        sys.stdout.write(f"{__version__}\n")
        return 0
    _hush()
    try:
        require(args[0] in commands, f"Expected a command, got {args[0]!r}. {nearest(args[0], sorted(commands))}")
        run(args)
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        code, line = verdict(error)
        if code is None:
            raise
        if heard(error):
            _say(line)
        return exit_code(error, code)
    finally:
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
    return 0


def _say(message: str) -> None:
    line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    who = f"rank {rank()}: " if rank() else ""
    sys.stderr.write(f"unlearning-pl: error: {who}{line}\n")


def _hush() -> None:
    """Keep to what concerns the user."""
    # The data are in memory, so workers would only copy them; curves have a point an epoch.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*is smaller than the logging interval.*")
    # Lightning's own calls that a newer torch or jsonargparse deprecates.
    warnings.filterwarnings("ignore", ".*LeafSpec.*")
    warnings.filterwarnings("ignore", category=JsonargparseDeprecationWarning)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "Tip" not in record.getMessage()
    )
