"""Options ``--data.*`` of commands that take their data from a run: they say where its images are now."""

from collections.abc import Sequence

from jsonargparse import ArgumentError, ArgumentParser

from unlearning_pl.cli.allowed_classes import allowed_classes
from unlearning_pl.cli.command_parser import add_data
from unlearning_pl.cli.interpolation import refuse_interpolation
from unlearning_pl.cli.parse_errors import explain_parse_error
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs

HELP = (
    "\n\nOptions --data.* change the data of the run, for instance --data.source.train FOLDER where its images were "
    "moved; images that are not those of the run are refused."
)
"""Addition to the description of such a command."""


def split_data_options(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the options ``--data.*``, with their values, from the other words of a command line.

    Example:
        >>> split_data_options(["--model", "ac", "--data.source.train", "moved", "--data.workers=2", "--views", "3"])
        (['--model', 'ac', '--views', '3'], ['--data.source.train', 'moved', '--data.workers=2'])
    """
    others: list[str] = []
    options: list[str] = []
    target = others
    for word in args:
        if word.startswith("--"):
            target = options if word.partition("=")[0] == "--data" or word.startswith("--data.") else others
        target.append(word)
    return others, options


def open_run_data(run: str, options: Sequence[str], command: str, allow: Sequence[str] = ()) -> UnlearningData:
    """Build a run's data module with other settings, and load its split.

    Args:
        run: The run folder.
        options: Options ``--data.*`` with their values.
        command: Name of the command, for messages.
        allow: Packages or classes, besides those of this package, that the run's configuration may name; those that
            the options name may be named too.

    Raises:
        InputError: If the folder holds no run, an option is unknown, or the images are not those of the run.
    """
    try:
        refuse_interpolation([*options], "data")
        return runs.open_data(run, [*allow, *allowed_classes(options)], options)
    except ArgumentError as error:
        parser = ArgumentParser(prog=f"unlearning-pl {command}", exit_on_error=False)
        add_data(parser)
        raise InputError(explain_parse_error(str(error), parser)) from error
