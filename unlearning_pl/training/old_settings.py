"""Configurations and command lines of version 0.1, with the keys and options of :mod:`unlearning_pl.deprecated`."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

import yaml

from unlearning_pl.deprecated import KEYS, MODULES, NAMES, PACKAGES, VALUES, warn

_HOMES = MODULES | PACKAGES
_CLASS_PATH = re.compile(
    rf"\bunlearning_pl\.({'|'.join(sorted(map(re.escape, _HOMES), key=len, reverse=True))})\.(\w+)"
)


def upgrade_settings(settings: Any) -> Any:
    """Settings of a configuration with the keys and class paths of today; those of other packages' classes stay.

    Args:
        settings: As read from YAML.

    Example:
        >>> upgrade_settings({"class_path": "my.Folder", "init_args": {"hold": "memory"}})
        {'class_path': 'my.Folder', 'init_args': {'hold': 'memory'}}
    """
    if isinstance(settings, list):
        return [upgrade_settings(part) for part in settings]
    if not isinstance(settings, dict):
        return settings
    upgraded = {key: upgrade_settings(value) for key, value in settings.items()}
    if not isinstance(settings.get("class_path"), str):
        return upgraded
    upgraded["class_path"] = _class_path(settings["class_path"])
    package, _, name = upgraded["class_path"].rpartition(".")
    arguments = upgraded.get("init_args")
    if isinstance(arguments, dict) and package.partition(".")[0] in ("", "unlearning_pl"):
        upgraded["init_args"] = dict(_argument(name, *item) for item in arguments.items())
    return upgraded


def upgrade_class_paths(args: Sequence[str]) -> list[str]:
    """A command line with the class paths of today; a configuration file with old ones is replaced by its settings.

    Args:
        args: The command and its options.

    Returns:
        The same words where none is old.

    Example:
        >>> upgrade_class_paths(["fit", "--data.views", "JitterViews"])
        ['fit', '--data.views', 'JitterViews']
    """
    words = []
    for position, word in enumerate(args):
        option, equals, value = word.partition("=") if word.startswith("-") else (args[position - 1], "", word)
        value = _upgraded_file(value, _CLASS_PATH) if option in ("--config", "-c") else _class_path(value)
        words.append(f"{option}={value}" if equals else word if word.startswith("-") else value)
    return words


def upgrade_options(args: Sequence[str]) -> list[str]:
    """A command line with the options of today; a configuration file with old keys is replaced by its settings.

    An option of a class of one's own may have an old name of ours: for command lines that cannot be parsed otherwise.

    Args:
        args: The command and its options.

    Returns:
        The same words where none is old.

    Example:
        >>> upgrade_options(["fit", "--data.batch_size", "8"])
        ['fit', '--data.batch_size', '8']
    """
    words: list[str] = []
    for word in args:
        option, equals, value = word.partition("=") if word.startswith("-") else (words[-1] if words else "", "", word)
        name = _option(option) if word.startswith("-") else option
        value = (
            _upgraded_file(value) if name in ("--config", "-c") else VALUES.get((name.rpartition(".")[2], value), value)
        )
        words.append(f"{name}={value}" if equals else name if word.startswith("-") else value)
    return words


def _class_path(path: str) -> str:
    found = _CLASS_PATH.fullmatch(path)
    if found is None:
        return path
    new = f"unlearning_pl.{_HOMES[found[1]]}.{NAMES.get(found[2], found[2])}"
    warn(path, new)
    return new


def _argument(class_name: str, key: str, value: Any) -> tuple[str, Any]:
    new = KEYS.get(class_name, {}).get(key, key)
    if new != key:
        warn(f"The argument {key} of {class_name}", new)
    return new, VALUES.get((new, value), value) if isinstance(value, str) else value


def _option(option: str) -> str:
    found = re.fullmatch(r"(--(?:method|data\.source(?:\.source)*)\.)(\w+)", option)
    new = next((keys[found[2]] for keys in KEYS.values() if found[2] in keys), None) if found else None
    if found is None or new is None:
        return option
    warn(f"The option {option}", found[1] + new)
    return found[1] + new


def _upgraded_file(path: str, pattern: re.Pattern[str] | None = None) -> str:
    """The settings in a file as JSON if any is old (and the text has the pattern), else the path."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            text = file.read()
        settings = yaml.safe_load(text) if pattern is None or pattern.search(text) else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return path  # the parser says what is wrong
    upgraded = upgrade_settings(settings)
    return path if upgraded == settings else json.dumps(upgraded, default=str)
