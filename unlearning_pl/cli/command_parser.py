"""Parsers of the commands that do not use LightningCLI."""

import os
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

from unlearning_pl.cli.forget_options import quote_names
from unlearning_pl.cli.interpolation import refuse_interpolation
from unlearning_pl.cli.option_texts import OPTIONS
from unlearning_pl.cli.parse_errors import explain_parse_error
from unlearning_pl.cli.shipped_configs import find_configs
from unlearning_pl.data import UnlearningData
from unlearning_pl.deprecated.old_settings import upgrade_class_paths, upgrade_options
from unlearning_pl.errors import InputError, quote
from unlearning_pl.training.parser_mode import PARSER_MODE
from unlearning_pl.yaml_text.yaml_limits import check_limits
from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml, write_inline_yaml

_TRAINING_KEYS = (
    *("model", "trainer", "method", "plugins", "seed_everything"),
    *("optimizer", "schedule", "warmup_steps", "weight_decay_on", "milestones"),
    *("run", "overwrite", "original", "forget", "ckpt_path", "weights"),
)
"""Keys of a training run's configuration that do not concern its data."""


class _ConfigFile(ActionConfigFile):
    """Reads a configuration file; a command with ``--data`` ignores the other settings of an experiment."""

    @override
    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        path = Path(str(values)).expanduser()
        is_text = str(values).startswith("{")  # settings as JSON, which may be too long for a path
        if "data" not in (parser.groups or {}) or is_text or not os.path.isfile(path):
            self.apply_config(parser, cfg, self.dest, values)
            return
        try:
            settings = read_yaml(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise InputError(
                f"Expected YAML with settings under data, got {values}: {describe_fault(error)}. Correct the file."
            ) from error
        except (OSError, UnicodeDecodeError):
            settings = None
        if not isinstance(settings, dict) or not isinstance(settings.get("data", {}), dict):
            raise InputError(f"Expected YAML with settings under data, got {values} without. Give another --config.")
        unused = {*_TRAINING_KEYS} - {*parser.groups}
        settings = {key: value for key, value in settings.items() if key not in unused}
        self.apply_config(parser, cfg, self.dest, write_inline_yaml(settings))


def make_parser(command: str, description: str) -> ArgumentParser:
    """Create the parser of a command that does not use LightningCLI, with the option ``--config``.

    Args:
        command: Name of the command.
        description: Description in the help text.

    Example:
        >>> make_parser("audit", "Measure models.").prog
        'unlearning-pl audit'
    """
    prog = f"unlearning-pl {command}"
    parser = ArgumentParser(
        prog=prog, description=description, exit_on_error=False, allow_abbrev=False, parser_mode=PARSER_MODE
    )
    parser.add_argument(
        "--config", action=_ConfigFile, help="Configuration file: a path, or a name that `unlearning-pl configs` lists."
    )
    return parser


def add_allow(parser: ArgumentParser) -> None:
    """Add the option ``--allow`` of the commands that read a run, whose configuration names classes.

    Args:
        parser: The parser of the command.

    Example:
        >>> add_allow(parser := make_parser("audit", "Measure models."))
        >>> parse_args(parser, ["--allow", "my_package", "--allow", "other.Net"]).allow
        ['my_package', 'other.Net']
    """
    parser.add_argument(
        "--allow",
        type=str,
        nargs="+",
        action="extend",
        default=[],
        metavar="PACKAGE",
        help=OPTIONS["allow"],
    )


def add_data(parser: ArgumentParser) -> None:
    """Add the options ``--data`` of the training commands to a parser.

    They stack with ``--config``, which then also accepts the configuration of an experiment and the config.yaml of a
    run, and ignores their settings of model and training.

    Args:
        parser: A parser from :func:`make_parser`.

    Example:
        >>> add_data(parser := make_parser("views", "Draw views."))
        >>> parse_args(parser, ["--data.batch_size", "8"]).data.batch_size
        8
    """
    parser.add_class_arguments(UnlearningData, "data")


def data_from_options(options: Namespace) -> UnlearningData:
    """Instantiate the data module from the options of :func:`add_data`; reads no images.

    Args:
        options: The parsed options, from :func:`parse_args`.

    Raises:
        InputError: If the settings of a source, a view policy or a request are invalid.

    Example:
        >>> add_data(parser := make_parser("views", "Draw views."))
        >>> options = parse_args(parser, ["--data.source", "Digits", "--data.source.train_size", "8"])
        >>> data_from_options(options).source.train_size
        8
    """
    parser = ArgumentParser(exit_on_error=False, parser_mode=PARSER_MODE)
    add_data(parser)
    data: UnlearningData = parser.instantiate_classes(parser.parse_object({"data": options.data})).data
    return data


def parse_args(parser: ArgumentParser, args: list[str]) -> Namespace:
    """Parse the options of a command; deprecated options are accepted with a warning.

    Raises:
        InputError: If an option is unknown, or its value has the wrong type; with the nearest names as the remedy.

    Example:
        >>> parse_args(make_parser("audit", "Measure models."), []).config is None
        True
    """
    try:
        options = parse_with_old_names(parser, args)
    except ArgumentError as error:
        raise InputError(explain_parse_error(str(error), parser)) from error
    refuse_interpolation(options.as_dict())
    return options


def parse_with_old_names(parser: ArgumentParser, args: list[str]) -> Namespace:
    """Parse a command line: find the package's configurations by name, and accept deprecated names.

    Deprecated class paths are renamed at once, deprecated options only if parsing fails.

    Raises:
        ArgumentError: If both attempts fail.
        InputError: If a value is YAML that stands for too much, or a ``--config`` is neither a file nor the name of one
            of the package's.

    Example:
        >>> parse_with_old_names(make_parser("audit", "Measure models."), []).config is None
        True
    """
    for word in args:
        try:
            check_limits(word.partition("=")[2] if word.startswith("--") else word)
        except yaml.YAMLError as error:
            raise InputError(f"Expected options, got {quote(word)}: {describe_fault(error)}. Correct it.") from error
    args = quote_names(upgrade_class_paths(find_configs(args)))
    try:
        return parser.parse_args(args)
    except ArgumentError:
        upgraded = upgrade_options(args)
        if upgraded == args:
            raise
    return parser.parse_args(upgraded)
