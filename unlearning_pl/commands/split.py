"""The command ``split``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.command_parser import add_allow, add_data, data_from_options, make_parser, parse_args
from unlearning_pl.cli.data_options import open_run_data, split_data_options
from unlearning_pl.cli.file_options import add_architecture
from unlearning_pl.cli.option_texts import DESCRIPTION, own_text
from unlearning_pl.commands.last_lines import LastLines, allow_words, next_command
from unlearning_pl.commands.progress_lines import progress_lines
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.io import write_json
from unlearning_pl.learners import Learner
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.report.terminal import open_console
from unlearning_pl.report.wording import pluralize
from unlearning_pl.splitting.preview import Preview, preview, read_earlier
from unlearning_pl.splitting.preview_table import tables
from unlearning_pl.splitting.select_images import Choice, check_choice, select_images
from unlearning_pl.splitting.training_features import TrainingFeatures, extract_features
from unlearning_pl.training import runs
from unlearning_pl.training.model_files import guess_file, open_file

ENCODER, PIXELS = 0.98, 0.97
"""Default thresholds on the cosine of near duplicates: of a run's features, and of pixels; the help states them."""


def split_parser() -> ArgumentParser:
    """Create the parser of the command ``split``."""
    parser = make_parser("split", DESCRIPTION["split"])
    add_data(parser)
    _add_request(parser)
    parser.add_argument("--threshold", type=float | None, default=None, help=own_text("split", "threshold"))
    parser.add_argument("--show", type=int, default=20, help=own_text("split", "show"))
    parser.add_argument("--output", type=str | None, default=None, help=own_text("split", "output"))
    parser.add_argument("--overwrite", action="store_true", help=own_text("split", "overwrite"))
    parser.add_argument("--include_duplicates", action="store_true", help=own_text("split", "include_duplicates"))
    add_allow(parser)
    return parser


def _add_request(parser: ArgumentParser) -> None:
    """Add the options that select the images to forget."""
    parser.add_argument("--original", type=str | None, default=None, help=own_text("split", "original"))
    add_architecture(parser)
    parser.add_class_arguments(ForgetRequest, "forget")
    parser.add_argument("--hardest", type=int | None, default=None, help=own_text("split", "hardest"))
    parser.add_argument("--easiest", type=int | None, default=None, help=own_text("split", "easiest"))
    parser.add_argument("--nearest", type=str | None, default=None, help=own_text("split", "nearest"))
    parser.add_argument("--count", type=int | None, default=None, help=own_text("split", "count"))
    parser.add_argument("--earlier", type=str, nargs="+", default=[], help=own_text("split", "earlier"))


def split(args: list[str]) -> LastLines | None:
    """Run the command ``split``."""
    words, data_options = split_data_options(args)
    options = parse_args(split_parser(), words)
    file = None if options.original is None else Path(options.original).expanduser()
    is_run = file is not None and not file.is_file()
    if not is_run:  # a run has its own data, which the options only move
        options = parse_args(split_parser(), args)
    choice = Choice(options.hardest, options.easiest, options.nearest, options.count)
    _check_selection(options, choice, is_run and any(arg.split("=")[0] == "--config" for arg in args))
    _check_output(options)
    with progress_lines():
        result = (
            _preview_with_run(options, choice, data_options) if is_run else _preview_from_data(options, choice, file)
        )
    require(
        not options.include_duplicates or len(result.duplicates) < len(result.retained),
        "Expected images to retain, got near duplicates of all of them with --include_duplicates. Raise --threshold.",
    )
    console = open_console(width=100)
    for renderable in tables(result, options.show):
        console.print(renderable, highlight=False)
    if options.output is None:
        return None
    document = result.document(options.include_duplicates)
    path = write_json(Path(options.output).expanduser(), document)
    hint = ["unlearn", "--original", options.original or "ORIGINAL", "--method", "NegGrad", "--forget.file", str(path)]
    hint += [] if is_run or file is None else _file_words(args, file, options.architecture)
    hint += allow_words([*options.allow, *allowed_classes(data_options)])
    written = f"Ids of {pluralize(len(document['forget']), 'image')}"
    kept = len(document["near_duplicates"])
    written += f", with {pluralize(kept, 'pair')} of near duplicates" if kept else ""
    return LastLines(f"{written}: {path}", next_command(*hint))


def _file_words(args: Sequence[str], file: Path, architecture: str | None) -> list[str]:
    """Options of ``unlearn`` for a file of weights, which has no images: the model if it was named, and the data."""
    chosen = [] if architecture is None else guess_file(file, architecture).guessed.options()
    is_chosen = False
    for word in args:
        if word.startswith("--"):
            name = word.partition("=")[0]
            is_chosen = name in ("--config", "--data") or name.startswith("--data.")
            is_chosen = is_chosen and not name.startswith("--data.forget")
        chosen += [word] if is_chosen else []
    return chosen


def _check_selection(options: Namespace, choice: Choice, has_config: bool) -> None:
    """Check that the options that select data and images can be combined, before anything is read."""
    request = ForgetRequest(**options.forget).given()
    require(
        options.original is None or not has_config,
        "Expected --original, or --config, got both. The run has its own data; --data.* says where its images are now.",
    )
    require(
        options.original is not None or not choice.given(),
        f"Expected --original RUN with --{next(iter(choice.given()), '')}, got none. Add the run that ranks images.",
    )
    require(
        not (choice.given() and request),
        f"Expected one way to choose, got --{next(iter(choice.given()), '')} and --forget. Keep one of them.",
    )


def _check_output(options: Namespace) -> None:
    """Check the ranges of numbers and that the output file can be written, before anything is read."""
    require(
        options.threshold is None or 0 < options.threshold <= 1,
        f"Expected --threshold above 0 and up to 1, got {options.threshold}. Choose a cosine such as 0.95.",
    )
    require(options.show >= 0, f"Expected --show >= 0, got {options.show}. Choose the number of pairs to list.")
    require(
        options.output is not None or not options.include_duplicates,
        "Expected --output FILE.json with --include_duplicates, got none. Name the file to write.",
    )
    if options.output is not None:
        path = Path(options.output).expanduser()
        require(path.suffix == ".json", f"Expected a .json file as --output, got {path}. Change its suffix.")
        require(not path.is_dir(), f"Expected a file as --output, got {path}, which is a folder. Give another name.")
        require(
            options.overwrite or not path.exists(),
            f"Expected a new file as --output, got {path}, which exists. Add --overwrite to replace it.",
        )
        make_output_folder(path.parent)


def _preview_with_run(options: Namespace, choice: Choice, data_options: Sequence[str]) -> Preview:
    """Preview a request to a run, with the features of its encoder."""
    has_forgotten = runs.has_forgotten(options.original)
    data = open_run_data(options.original, data_options, "split", options.allow)
    candidates = data.positions("retain" if has_forgotten else "train")
    if choice.given():  # report an invalid choice before the expensive pass of the encoder
        check_choice(choice, data, candidates)
    else:
        runs.apply_forget_request(options.original, data, ForgetRequest(**options.forget))
    request = choice.given() | {"original": options.original} if choice.given() else data.splits.request.given()
    earlier = read_earlier([*([options.original] if has_forgotten else []), *options.earlier], data.ids)
    features = extract_features(data, runs.open_learner(options.original, options.allow))
    if choice.given():
        runs.apply_forget_request(
            options.original, data, ForgetRequest(ids=[*select_images(choice, features, data, candidates)])
        )
    return _preview(options, data, request, features, earlier)


def _preview_from_data(options: Namespace, choice: Choice, file: Path | None) -> Preview:
    """Preview a request from the images, by pixels or with the features of a file of weights."""
    learner = None if file is None else _open_weights(options, file)
    data, request = data_from_options(options), ForgetRequest(**options.forget)
    if choice.given():
        check_choice(choice, data, data.positions("train"))
    elif request.given():
        data.forget = request
    require(
        bool(data.forget.given() or choice.given()),
        "Expected a forget request, got none. Add one, for instance --data.forget.fraction 0.1.",
    )
    given = choice.given() | {"original": options.original} if choice.given() else data.splits.request.given()
    earlier = read_earlier(options.earlier, data.ids)
    features = extract_features(data, learner)
    if choice.given():
        data.request(ForgetRequest(ids=[*select_images(choice, features, data, data.positions("train"))]))
    return _preview(options, data, given, features, earlier)


def _open_weights(options: Namespace, file: Path) -> Learner:
    """Load the model of a file, and let the size of the images follow it."""
    learner, model = open_file(file, options.architecture)
    open_console(width=100).print(model.sentence, soft_wrap=True, highlight=False, markup=False)
    source = {} if options.data.source is None else options.data.source.init_args
    if model.resize is not None and "image_size" in source and source["image_size"] is None:
        options.data.source.init_args.image_size = Namespace(**asdict(model.resize))  # type: ignore[no-untyped-call]
    return learner


def _preview(
    options: Namespace,
    data: UnlearningData,
    request: Mapping[str, Any],
    features: TrainingFeatures,
    earlier: Mapping[str, list[str]],
) -> Preview:
    default, by = (PIXELS, "pixels") if options.original is None else (ENCODER, options.original)
    threshold = default if options.threshold is None else options.threshold
    return preview(data, request, features, earlier, threshold, by)
