"""Commands that are not Lightning's: their parser, and what a mistake in their options gets."""

from jsonargparse import ArgumentError, ArgumentParser, Namespace

from unlearning_pl.errors import InputError
from unlearning_pl.suggestions import meant


def plain_parser(command: str, description: str) -> ArgumentParser:
    """A command that is not Lightning's.

    Example:
        >>> plain_parser("audit", "Measure models.").prog
        'unlearning-pl audit'
    """
    prog = f"unlearning-pl {command}"
    parser = ArgumentParser(prog=prog, description=description, exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="Path to a configuration file.")
    return parser


def parsed(parser: ArgumentParser, args: list[str]) -> Namespace:
    """The options given, or the sentence that helps with a mistake in them.

    Raises:
        InputError: If an option is not known, or its value is none of its kind.

    Example:
        >>> parsed(plain_parser("audit", "Measure models."), []).config is None
        True
    """
    try:
        return parser.parse_args(args)
    except ArgumentError as error:
        raise InputError(meant(str(error), parser)) from error
