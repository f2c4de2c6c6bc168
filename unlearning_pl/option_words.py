"""Options of the command line in messages, and the arguments that a program gives in their place."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_FOREIGN = frozenset({"ntasks", "dereference", "sparse"})
"""Options of other programs, SLURM's and tar's; those with a dash inside are never ours."""
_FLAGS = frozenset({"overwrite"})
"""Options without a value."""
_LISTS = frozenset({"allow"})
"""Options whose argument is a list."""
_ARGUMENTS = {"seed_everything": "seed"}
"""Arguments with another name than the option."""
_CALLS = {"data.forget": "forget=ForgetRequest", "forget": "forget=ForgetRequest", "data": "UnlearningData"}
"""Calls that take the argument of an option, by the words before its last dot."""
_NO_VALUE = frozenset(
    (
        *("above", "alone", "and", "as", "at", "before", "draws", "file", "first", "for", "from", "got", "here"),
        *("in", "is", "of", "on", "or", "outside", "that", "to", "where", "with"),
    )
)
"""Words that follow an option in a sentence and are not its value."""
_OPTION = re.compile(r"(?<![\w'-])--([a-z_][a-z0-9_.]*[a-z0-9_])(?![\w-])(?:[ =]([\w/.-]*[\w/]))?")

_depth = 0  # of the whole process: a command's threads belong to it


@contextmanager
def command_line() -> Iterator[None]:
    """Context of a command, in which messages name options; elsewhere they name arguments of Python."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def user_words(message: str) -> str:
    """A message in the words of the user's interface: options within a command, else arguments of Python.

    Args:
        message: The message, with options.

    Example:
        >>> user_words("Choose another --run or add --overwrite. Train with --data.validation 0.1.")
        'Choose another `run` or add `overwrite=True`. Train with `UnlearningData(validation=0.1)`.'
        >>> with command_line():
        ...     user_words("Choose another --run or add --overwrite.")
        'Choose another --run or add --overwrite.'
    """
    return message if _depth else _OPTION.sub(_argument, message)


def _argument(match: re.Match[str]) -> str:
    option, value = match[1], match[2]
    if option in _FOREIGN:
        return match[0]
    owner, _, name = option.rpartition(".")
    rest = ""
    if value is not None and (value in _NO_VALUE or name in _FLAGS):
        value, rest = None, match[0][match.end(1) - match.start() :]
    argument = _ARGUMENTS.get(name, name)
    if name in _FLAGS or value is not None:
        shown = "True" if value is None else _literal(value)
        argument += f"=[{shown}]" if name in _LISTS else f"={shown}"
    if owner in _CALLS:
        argument = f"{_CALLS[owner]}({argument if '=' in argument else f'{argument}=...'})"
    return f"`{argument}`{rest}"


def _literal(value: str) -> str:
    if value in ("true", "false"):
        return value.capitalize()
    is_code = re.fullmatch(r"-?\d[\d.]*(e-?\d+)?", value) or value[0].isupper()  # a number, a class or a placeholder
    return value if is_code else f'"{value}"'
