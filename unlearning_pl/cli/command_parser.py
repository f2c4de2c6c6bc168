"""Commands that are not Lightning's: their parser, and what a mistake in their options gets."""

import json
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import (  # type: ignore[attr-defined]
    ActionConfigFile,
    ArgumentError,
    ArgumentParser,
    Namespace,
)
from typing_extensions import override

from unlearning_pl.cli.parse_errors import explain_parse_error
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.training.old_settings import upgrade_class_paths, upgrade_options

_OF_TRAINING = (
    *("model", "trainer", "method", "plugins", "optimizer", "schedule", "seed_everything"),
    *("run", "overwrite", "original", "forget", "ckpt_path", "weights"),
)
"""Keys of a training run's configuration that say nothing of its data."""


class _Configuration(ActionConfigFile):
    """Takes a configuration file; a command that takes data takes them out of a whole experiment's."""

    @override
    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        path = Path(str(values)).expanduser()
        if "data" not in (parser.groups or {}) or not path.is_file():
            self.apply_config(parser, cfg, self.dest, values)
            return
        try:
            read = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError):
            read = None
        if not isinstance(read, dict) or not isinstance(read.get("data", {}), dict):
            raise InputError(
                f"Expected YAML with settings under data, got {values}, which is something else. Give another --config."
            )
        kept = {key: value for key, value in read.items() if key not in _OF_TRAINING}
        self.apply_config(parser, cfg, self.dest, json.dumps(kept, default=str))


def make_parser(command: str, description: str) -> ArgumentParser:
    """A command that is not Lightning's.

    Example:
        >>> make_parser("audit", "Measure models.").prog
        'unlearning-pl audit'
    """
    prog = f"unlearning-pl {command}"
    parser = ArgumentParser(prog=prog, description=description, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action=_Configuration, help="Path to a configuration file.")
    return parser


def add_data(parser: ArgumentParser) -> None:
    """Give a command the options ``--data``, as training has them.

    They stack with ``--config``, which then also takes whole experiments and the config.yaml of a run, and leaves out
    what these say of model and training.

    Args:
        parser: Made by :func:`make_parser`.

    Example:
        >>> add_data(parser := make_parser("views", "Draw views."))
        >>> parse_args(parser, ["--data.batch_size", "8"]).data.batch_size
        8
    """
    parser.add_class_arguments(UnlearningData, "data")


def data_from_options(options: Namespace) -> UnlearningData:
    """The data that the options of :func:`add_data` mean; no image is read.

    Args:
        options: As :func:`parse_args` returns them.

    Raises:
        InputError: If a source, a view policy or a request refuses its settings.

    Example:
        >>> add_data(parser := make_parser("views", "Draw views."))
        >>> options = parse_args(parser, ["--data.source", "Digits", "--data.source.train_size", "8"])
        >>> data_from_options(options).source.train_size
        8
    """
    parser = ArgumentParser(exit_on_error=False)
    add_data(parser)
    data: UnlearningData = parser.instantiate_classes(parser.parse_object({"data": options.data})).data
    return data


def parse_args(parser: ArgumentParser, args: list[str]) -> Namespace:
    """The options given, or the sentence that helps with a mistake in them.

    Raises:
        InputError: If an option is not known, or its value is none of its kind.

    Example:
        >>> parse_args(make_parser("audit", "Measure models."), []).config is None
        True
    """
    try:
        return parse_with_old_names(parser, args)
    except ArgumentError as error:
        raise InputError(explain_parse_error(str(error), parser)) from error


def parse_with_old_names(parser: ArgumentParser, args: list[str]) -> Namespace:
    """Parse a command line with deprecated names: class paths at once, options where it cannot be parsed otherwise.

    Raises:
        ArgumentError: If both fail.

    Example:
        >>> parse_with_old_names(make_parser("audit", "Measure models."), []).config is None
        True
    """
    args = upgrade_class_paths(args)
    try:
        return parser.parse_args(args)
    except ArgumentError:
        upgraded = upgrade_options(args)
        if upgraded == args:
            raise
    return parser.parse_args(upgraded)
