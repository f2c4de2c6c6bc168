"""What a command line allows the configuration of a run to name: ``--allow``, and classes that the user typed."""

import re
from collections.abc import Iterator, Sequence

from unlearning_pl.errors import require

_CLASS_OPTION = re.compile(r"--(model|data\.(source|views)(\.(init_args\.)?source)*)(\.class_path)?")
_CLASS_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def allowed_classes(args: Sequence[str]) -> list[str]:
    """Packages and classes that a command line allows, before it is parsed.

    Args:
        args: The command and its options.

    Example:
        >>> allowed_classes(["test", "--allow", "a", "b.Net", "--run", "x.y", "--model=c.Net", "--allow=d"])
        ['a', 'b.Net', 'c.Net', 'd']
    """
    return [value for option, value, _ in _scanned(args) if value is not None and _allows(option, value)]


def require_typed(allow: Sequence[str], args: Sequence[str]) -> None:
    """Check that what a configuration allows was typed too: the run is read before the configurations are.

    Args:
        allow: The value of the option ``--allow``, as parsed.
        args: The command line.

    Raises:
        InputError: If it comes from a configuration file.

    Example:
        >>> require_typed(["a"], ["test", "--allow", "a"])
    """
    require(
        {*allow} <= {*allowed_classes(args)},
        f"Expected --allow on the command line, got allow = {[*allow]} of a --config file. Type it instead.",
    )


def without_allow(args: Sequence[str]) -> list[str]:
    """The words of a command line without ``--allow``, which does not change what the command computes.

    Example:
        >>> without_allow(["test", "--allow", "a", "b", "--run", "x", "--allow=d"])
        ['test', '--run', 'x']
    """
    return [word for option, _, word in _scanned(args) if option != "--allow"]


def _scanned(args: Sequence[str]) -> Iterator[tuple[str, str | None, str]]:
    """Each word of a command line, after the option that it belongs to and the value that it has, or None."""
    option = ""
    for word in args:
        value: str | None = word
        if word.startswith("-"):
            option, equals, rest = word.partition("=")
            value = rest if equals else None
        yield option, value, word


def _allows(option: str, value: str) -> bool:
    return option == "--allow" or (
        _CLASS_OPTION.fullmatch(option) is not None and _CLASS_PATH.fullmatch(value) is not None
    )
