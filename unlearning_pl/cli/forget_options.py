"""Options that choose what to forget: their names are text, whatever YAML would make of them."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import yaml

from unlearning_pl.errors import InputError, quote, require
from unlearning_pl.yaml_text.yaml_settings import describe_fault, read_yaml, write_inline_yaml

_OPTION = re.compile(r"--((?:data\.)?forget(?:\.init_args)?(?:\.(classes|ids|per_class))?)\+?")

_SURROGATE = re.compile("[\ud800-\udfff]")  # bytes of a command line that are no UTF-8


def quote_names(args: Sequence[str]) -> list[str]:
    """Quote the names in the options ``--forget`` and ``--data.forget``, so that the parser's YAML keeps them as text.

    A value of ``classes`` or ``ids`` is a list if it is one in YAML, ``[002, cat]``, none if it is ``null``, and
    otherwise one name, exactly as it is.

    Args:
        args: The options of a command.

    Returns:
        The options; those that name nothing to forget are unchanged.

    Raises:
        InputError: If a list or a mapping is not YAML, or has a key twice.

    Example:
        >>> quote_names(["--seed", "010", "--forget.classes", "[010, yes]", "--data.forget.ids=007"])
        ['--seed', '010', '--forget.classes=["010", "yes"]', '--data.forget.ids=["007"]']
    """
    words: list[str] = []
    rest = iter(args)
    for word in rest:
        option, equals, value = word.partition("=")
        match = _OPTION.fullmatch(option)
        if match and not equals:
            value = next(rest, "--")
            if value.startswith("--"):  # the parser reports that the value is missing
                words += [word, *([value] if value != "--" else [])]
                continue
        words.append(f"{option}={_quote(value, match[1], match[2])}" if match else word)
    return words


def _quote(value: str, key: str, field: str | None) -> str:
    in_utf8 = not _SURROGATE.search(value)
    require(in_utf8, f"Expected text in UTF-8 as --{key}, got {quote(value)}. Rename what it names.")
    if field in ("classes", "ids"):
        text = value.strip()
        if value == "null":
            return value
        names = _parse(value, key) if text.startswith("[") and text.endswith("]") else [value]
        is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
        require(is_list, f"Expected names as --{key}, got {quote(value)}. Quote a name with a colon or a bracket.")
        return write_inline_yaml(names)
    if field is None and os.path.isfile(os.path.expanduser(value)):
        try:
            value = Path(value).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return value  # the parser reports what is wrong with the file
    settings = _parse(value, key)
    return write_inline_yaml(settings) if isinstance(settings, dict) else value


def _parse(value: str, key: str) -> object:
    try:
        return read_yaml(value, key)
    except yaml.YAMLError as error:
        raise InputError(
            f"Expected YAML as --{key}, got {quote(value)}: {describe_fault(error)}. Correct it."
        ) from error
