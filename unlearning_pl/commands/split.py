"""The command ``split``."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console

from unlearning_pl.cli.command_parser import add_data, data_from_options, make_parser, parse_args
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.io import write_json
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.splitting.preview import Preview, preview, read_earlier
from unlearning_pl.splitting.preview_table import tables
from unlearning_pl.splitting.select_images import Choice, check_choice, select_images
from unlearning_pl.splitting.training_features import TrainingFeatures, extract_features
from unlearning_pl.training import runs

ENCODER, PIXELS = 0.98, 0.97
"""Cosines from which two images are near duplicates, by a run's features and by pixels."""


def split_parser() -> ArgumentParser:
    """Options of the command ``split``."""
    parser = make_parser(
        "split",
        "Preview a forget request before anything is trained: counts, classes, overlap, copies that would stay.",
    )
    add_data(parser)
    parser.add_argument("--original", type=str | None, default=None, help="Run folder: its data, split and encoder.")
    parser.add_class_arguments(ForgetRequest, "forget")
    parser.add_argument("--hardest", type=int | None, default=None, help="Images of the original's highest loss.")
    parser.add_argument("--easiest", type=int | None, default=None, help="Images of the original's lowest loss.")
    parser.add_argument("--nearest", type=str | None, default=None, help="Id: it and its neighbours by features.")
    parser.add_argument("--count", type=int | None, default=None, help="How many, with --nearest.")
    parser.add_argument("--earlier", type=str, nargs="+", default=[], help="Runs or files of ids asked for before.")
    parser.add_argument(
        "--threshold",
        type=float | None,
        default=None,
        help=f"Cosine of near duplicates; {ENCODER} with --original, {PIXELS} by pixels.",
    )
    parser.add_argument("--show", type=int, default=20, help="Most near duplicates to list.")
    parser.add_argument("--output", type=str | None, default=None, help="File of the ids, .json, for --forget.file.")
    parser.add_argument("--overwrite", action="store_true", help="Replace the file that is there.")
    parser.add_argument("--include_duplicates", action="store_true", help="Add copies that would stay to the file.")
    return parser


def split(args: list[str]) -> None:
    """Run the command ``split``."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    options = parse_args(split_parser(), args)
    choice = Choice(options.hardest, options.easiest, options.nearest, options.count)
    _check_ways(options, choice, configured=any(word.startswith(("--data", "--config")) for word in args))
    _check_output(options)
    found = _from_run(options, choice) if options.original else _from_data(options)
    require(
        not options.include_duplicates or len(found.duplicates) < len(found.retained),
        "Expected images that are retained, got copies of all of them with --include_duplicates. Raise --threshold.",
    )
    console = Console() if sys.stdout.isatty() else Console(width=100)
    for part in tables(found, options.show):
        console.print(part, highlight=False)
    if options.output is not None:
        document = found.document(options.include_duplicates)
        path = write_json(Path(options.output).expanduser(), document)
        plain: dict[str, Any] = {"soft_wrap": True, "highlight": False, "markup": False}
        console.print(f"Ids of {len(document['forget'])} images: {path}", **plain)


def _check_ways(options: Namespace, choice: Choice, configured: bool) -> None:
    """Refuse ways to choose that do not go together, before anything is read."""
    asked = ForgetRequest(**options.forget).given()
    require(
        options.original is None or not configured,
        "Expected --original, or --config and --data, got both. A run brings its own data: leave the others out.",
    )
    require(
        options.original is not None or not choice.given(),
        f"Expected --original RUN with --{next(iter(choice.given()), '')}, got none. Name the run that judges images.",
    )
    require(
        not (choice.given() and asked),
        f"Expected one way to choose, got --{next(iter(choice.given()), '')} and --forget. Keep one of them.",
    )


def _check_output(options: Namespace) -> None:
    """Refuse numbers out of their range and a file that cannot be written, likewise."""
    require(
        options.threshold is None or 0 < options.threshold <= 1,
        f"Expected --threshold above 0 and up to 1, got {options.threshold}. Choose a cosine such as 0.95.",
    )
    require(options.show >= 0, f"Expected --show >= 0, got {options.show}. Choose how many pairs to list.")
    require(
        options.output is not None or not options.include_duplicates,
        "Expected --output FILE.json with --include_duplicates, got none. Name the file to write.",
    )
    if options.output is not None:
        path = Path(options.output).expanduser()
        require(path.suffix == ".json", f"Expected a .json file as --output, got {path}. Name it so.")
        require(not path.is_dir(), f"Expected a file as --output, got {path}, which is a folder. Give another name.")
        require(
            options.overwrite or not path.exists(),
            f"Expected a new file as --output, got {path}, which exists. Add --overwrite to replace it.",
        )
        make_output_folder(path.parent)


def _from_run(options: Namespace, choice: Choice) -> Preview:
    """Preview a request to a run, with its encoder."""
    before = runs.forgot_before(options.original)
    data = runs.open_data(options.original)
    candidates = data.positions("retain" if before else "train")
    if choice.given():  # what cannot be met should not wait for the encoder
        check_choice(choice, data, candidates)
    else:
        runs.split_for(options.original, data, ForgetRequest(**options.forget))
    asked = choice.given() | {"original": options.original} if choice.given() else data.splits.request.given()
    earlier = read_earlier([*([options.original] if before else []), *options.earlier], data.ids)
    looks = extract_features(data, runs.open_learner(options.original))
    if choice.given():
        runs.split_for(options.original, data, ForgetRequest(ids=[*select_images(choice, looks, data, candidates)]))
    return _preview(options, data, asked, looks, earlier)


def _from_data(options: Namespace) -> Preview:
    """Preview a request by the images alone."""
    data, asked = data_from_options(options), ForgetRequest(**options.forget)
    if asked.given():
        data.forget = asked
    require(
        bool(data.forget.given()),
        "Expected a forget request, got none. Say what to forget, for instance --data.forget.fraction 0.1.",
    )
    request = data.splits.request.given()
    earlier = read_earlier(options.earlier, data.ids)
    return _preview(options, data, request, extract_features(data), earlier)


def _preview(
    options: Namespace,
    data: UnlearningData,
    asked: Mapping[str, Any],
    looks: TrainingFeatures,
    earlier: Mapping[str, list[str]],
) -> Preview:
    usual, by = (PIXELS, "pixels") if options.original is None else (ENCODER, options.original)
    return preview(data, asked, looks, earlier, usual if options.threshold is None else options.threshold, by)
