"""Model and data of the run that a command reads, as options before the user's own ones."""

import os
import re
from pathlib import Path

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.errors import require
from unlearning_pl.training import runs
from unlearning_pl.yaml_text.yaml_settings import write_inline_yaml

_HELP = re.compile(r"-h|--help|--[\w.]+\.help(=.*)?")
"""Options that print a help and end: they need no run."""
EVALUATION_COMMANDS = ("validate", "test", "predict")
"""Commands that read a finished run."""


def prepend_run_config(args: list[str]) -> list[str]:
    """Insert model and data of the run that a command starts from before the user's own options.

    Args:
        args: The command and its options.

    Raises:
        InputError: If the run is not given or none, or names classes that the command line does not allow.

    Example:
        >>> prepend_run_config(["fit", "--model", "SimCLR"])
        ['fit', '--model', 'SimCLR']
    """
    command, *rest = args
    if command not in ("unlearn", *EVALUATION_COMMANDS) or any(map(_HELP.fullmatch, rest)):
        return args
    option = "--original" if command == "unlearn" else "--run"
    run = _last_value(rest, option)
    has_config = any(arg.split("=")[0] in ("--config", "-c") for arg in rest)
    require(run is not None or has_config, f"Expected {option} RUN, got none. Name the run that fit wrote.")
    if run is None or (command == "unlearn" and Path(run).is_file()):
        return args
    settings = runs.trusted_settings(run, allowed_classes(rest))
    return [command, "--config", write_inline_yaml(settings), *rest]


def _last_value(args: list[str], option: str) -> str | None:
    """Return the last value of an option, which is the one that the parser uses."""
    value = None
    for position, arg in enumerate(args):
        if arg == option and position + 1 < len(args):
            value = os.path.expanduser(args[position + 1])
        elif arg.startswith(f"{option}="):
            value = os.path.expanduser(arg.partition("=")[2])
    return value
