"""The command ``views``: draw the augmented views of images on one sheet, as PNG."""

from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from torch import Tensor

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.command_parser import add_allow, add_data, data_from_options, make_parser, parse_args
from unlearning_pl.cli.data_options import split_data_options
from unlearning_pl.cli.option_texts import DESCRIPTION, own_text
from unlearning_pl.commands.last_lines import LastLines
from unlearning_pl.data import Source, UnlearningData
from unlearning_pl.data.seeds import isolated_rng
from unlearning_pl.errors import InputError, require, suggest_names
from unlearning_pl.io import write_bytes
from unlearning_pl.report.image_sheet import Row, draw_sheet
from unlearning_pl.report.output_folder import make_output_folder
from unlearning_pl.training import runs
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml


def views_parser() -> ArgumentParser:
    """Create the parser of the command ``views``."""
    parser = make_parser("views", DESCRIPTION["views"])
    add_data(parser)
    parser.add_argument("--run", type=str | None, default=None, help=own_text("views", "run"))
    parser.add_argument("--images", type=int, default=8, help=own_text("views", "images"))
    parser.add_argument("--ids", type=str, nargs="+", default=[], help=own_text("views", "ids"))
    parser.add_argument("--views", type=int, default=6, help=own_text("views", "views"))
    parser.add_argument("--seed", type=int, default=0, help=own_text("views", "seed"))
    parser.add_argument("--output", type=str, default="views.png", help=own_text("views", "output"))
    parser.add_argument("--overwrite", action="store_true", help=own_text("views", "overwrite"))
    add_allow(parser)
    return parser


def draw_views(args: list[str]) -> LastLines:
    """Run the command ``views``."""
    parser = views_parser()
    words, data_options = split_data_options(args)
    before = parse_args(parser, words)
    first = []
    if before.run is not None:  # the run's configuration comes first: the user's options override it
        settings = runs.trusted_settings(before.run, [*before.allow, *allowed_classes(data_options)])
        first = ["--config", write_inline_yaml({"data": settings["data"]})]
    options = parse_args(parser, [*first, *args])
    require(options.views >= 1, f"Expected views >= 1, got {options.views}. Increase --views.")
    require(0 <= options.seed < 2**32, f"Expected seed from 0 to {2**32 - 1}, got {options.seed}. Give another --seed.")
    path = _output_path(options.output, options.overwrite)
    data = data_from_options(options)
    positions = _positions_of_ids(data, options.ids) if options.ids else _first_positions(data, options.images)
    with isolated_rng(torch.device("cpu"), options.seed):
        rows = sheet_rows(data, positions, options.views)
    columns = ["image", *(f"view {number}" for number in range(1, options.views + 1))]
    write_bytes(
        path, draw_sheet(rows, columns, [f"{describe_source(data.source)}, seed {options.seed}", repr(data.views)])
    )
    return LastLines(f"Views: {path}")


def sheet_rows(data: UnlearningData, positions: list[int], views: int) -> list[Row]:
    """Create the rows of a sheet: an image, its views, drawn with torch's generator, its id, class and captions.

    Args:
        data: The data module.
        positions: Positions of the images in the pool.
        views: Number of views of each image.

    Example:
        >>> row = sheet_rows(UnlearningData(), [2], views=3)[0]
        >>> row.names, tuple(row.images.shape)
        (('1482', 'class 6'), (4, 3, 16, 16))
    """
    train, test = data.load()
    images = data.pool.rows_at(torch.tensor(positions))[0]
    augmented = data.views(images.repeat(views, 1, 1, 1)).unflatten(0, (views, len(images)))
    rows = []
    for number, position in enumerate(positions):
        subset, row = (train, position) if position < len(train) else (test, position - len(train))
        names = [f"class {subset.class_names[int(subset.targets[row])]}"] if subset.class_names else []
        pictures = torch.cat([images[number, None], augmented[:, number]])
        rows.append(Row((subset.ids[row], *names), pictures, subset.captions[row] if subset.captions else ()))
    return rows


def alternate_classes(targets: Tensor, count: int) -> list[int]:
    """Select images of alternating classes: the first image of each class, then the second of each, and so on.

    Args:
        targets: Class of each image, ``(N,)`` int64.
        count: Number of images, at most N.

    Returns:
        Indices of the images, in this order.

    Example:
        >>> alternate_classes(torch.tensor([1, 1, 0, 1, 0]), 4)
        [2, 0, 4, 1]
    """
    order = targets.argsort(stable=True)
    sizes = targets.bincount()
    rank_in_class = torch.arange(len(order)) - (sizes.cumsum(0) - sizes)[targets[order]]
    rows: list[int] = order[rank_in_class.argsort(stable=True)[:count]].tolist()
    return rows


def describe_source(source: Source) -> str:
    """Format a source and its arguments as text.

    Example:
        >>> describe_source(UnlearningData().source)
        'Digits(train_size=1000, image_size=16)'
    """

    def text(value: Any) -> str:
        return describe_source(value) if isinstance(value, Source) else repr(value)

    arguments = {name: value for name, value in vars(source).items() if value is not None and name[0] != "_"}
    return f"{type(source).__name__}({', '.join(f'{name}={text(value)}' for name, value in arguments.items())})"


def _first_positions(data: UnlearningData, count: int) -> list[int]:
    train = data.load()[0]
    require(
        1 <= count <= len(train),
        f"Expected images from 1 to {len(train)}, the training images, got {count}. Change --images.",
    )
    return alternate_classes(train.targets, count)


def _positions_of_ids(data: UnlearningData, ids: list[str]) -> list[int]:
    positions = {name: position for position, name in enumerate(data.ids)}
    for name in ids:
        if name not in positions:
            suggestion = suggest_names(name, positions, f"The first ids are {', '.join(data.ids[:3])}.")
            raise InputError(f"Expected ids of images of the data, got {name!r}. {suggestion}")
    return [positions[name] for name in ids]


def _output_path(output: str, overwrite: bool) -> Path:
    path = Path(output).expanduser()
    require(path.suffix.lower() == ".png", f"Expected a name that ends in .png, got {output}. Give another --output.")
    require(
        not path.is_dir() and (overwrite or not path.exists()),
        f"Expected a new file, got {output}, which exists. Give another --output, or add --overwrite.",
    )
    make_output_folder(path.parent)
    return path
