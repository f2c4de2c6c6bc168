"""The command ``audit``."""

import logging
import sys
from typing import Literal

from jsonargparse import ArgumentParser
from jsonargparse.typing import PositiveInt
from rich.console import Console

from unlearning_pl.cli.command_parser import make_parser, parse_args
from unlearning_pl.evaluation.audit_report import audit_runs
from unlearning_pl.report import step_table, table

Accelerator = Literal["auto", "cpu", "gpu", "mps"]
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


def audit_parser() -> ArgumentParser:
    """Options of the command ``audit``."""
    parser = make_parser(
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
    options = parse_args(audit_parser(), args)
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
