"""The command ``forget``: import, preview, unlearn, audit and export, with the commands of a user."""

import time
from typing import Any

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from unlearning_pl.cli.file_options import add_architecture
from unlearning_pl.cli.parse_errors import explain_parse_error
from unlearning_pl.commands.last_lines import LastLines, page_written
from unlearning_pl.commands.main import run
from unlearning_pl.distributed.launchers import require_single_process
from unlearning_pl.errors import InputError
from unlearning_pl.forgetting import make_plan, run_steps
from unlearning_pl.forgetting.forget_plan import command_line
from unlearning_pl.forgetting.measured_step import estimate, measure_step
from unlearning_pl.forgetting.original_check import doubt_original
from unlearning_pl.forgetting.outcome import outcome, report_page
from unlearning_pl.forgetting.plan_checks import Prepared
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training.parser_mode import PARSER_MODE

DESCRIPTION = """Make the model of a file forget images, audit it, and write its weights back under their own names.

Each step is an ordinary command that is printed before it runs. Repeat the command to continue where it stopped."""


def forget_parser() -> ArgumentParser:
    """Create the parser of the command ``forget``."""
    parser = ArgumentParser(
        prog="unlearning-pl forget",
        description=DESCRIPTION,
        exit_on_error=False,
        allow_abbrev=False,
        parser_mode=PARSER_MODE,
    )
    parser.add_argument(
        "--model",
        type=str,
        required=True,
        help="File of weights: .pt, .ckpt, .safetensors; or a folder of transformers.",
    )
    parser.add_argument(
        "--images", type=str, required=True, help="Folder with train/CLASS and test/CLASS, or shards, or a table."
    )
    parser.add_argument("--forget", type=str, required=True, help="File with a path or an id of an image on each line.")
    parser.add_argument("--out", type=str, default="forgotten", help="Output folder.")
    parser.add_argument("--test", type=str | None, default=None, help="Images that the model was not trained on.")
    add_architecture(parser)
    parser.add_argument(
        "--image_size", type=int | None, default=None, help="Height and width that the model was trained with."
    )
    parser.add_argument("--method", type=str | None, default=None, help="Method in place of the default one.")
    parser.add_argument(
        "--config", type=str, action="append", default=[], help="File with method, optimizer and epochs, as of unlearn."
    )
    parser.add_argument(
        "--retrain", type=int | None, default=None, help="Epochs of a reference trained without the images."
    )
    parser.add_argument("--dry_run", "--dry-run", action="store_true", help="Show the plan, and write nothing.")
    return parser


def forget(args: list[str]) -> LastLines | None:
    """Run the command ``forget``."""
    options = _parse(args)
    require_single_process()
    start = time.monotonic()
    prepared = make_plan(options)
    opening = time.monotonic() - start
    for note in _notes(prepared):
        _print(note)
    if options.dry_run:
        _print("\n".join(command_line(words) for words in prepared.plan.steps().values()))
    doubt = doubt_original(prepared.learner, prepared.data)
    if doubt is not None:
        _print(doubt)
    step = measure_step(prepared.learner, prepared.data)
    expected = estimate(step, prepared.data, prepared.epochs, options.retrain, opening)
    _print(f"Time: {expected}.")
    if options.dry_run:
        return None
    plan = prepared.plan
    del prepared  # its images and weights
    run_steps(plan, _run, expected.seconds)
    lines = outcome(plan)
    return LastLines("\n".join(["", *lines]), page_written(report_page(plan)).hint)


def _run(words: list[str]) -> None:
    """Run a step, and print what it wrote; what usually comes next is the next step."""
    last_lines = run(words)
    if last_lines is not None:
        _print(last_lines.written)


def _parse(args: list[str]) -> Namespace:
    """Parse the options; ``--forget`` names a file and is no request as that of ``unlearn``, whose names are quoted."""
    parser = forget_parser()
    try:
        return parser.parse_args(args)
    except ArgumentError as error:
        raise InputError(explain_parse_error(str(error), parser)) from error


def _notes(prepared: Prepared) -> list[str]:
    """What was guessed, and what will be done."""
    counts = prepared.plan.counts
    total = counts["retain"] + counts["forget"]
    request = f"Request: {counts['forget']} of {total} training images; {counts['test']} unseen ones for the audit."
    settings = " ".join(word.removeprefix("--") for word in prepared.plan.unlearn_options)
    return [*prepared.notes, request, f"Settings: {settings}."]


def _print(text: str) -> None:
    plain: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}
    open_console().print(text, **plain)
