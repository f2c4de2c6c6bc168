"""Configurations and command lines of version 0.1, with the keys and options of :mod:`unlearning_pl.deprecated`."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

import yaml

from unlearning_pl.deprecated import KEYS, VALUES, warn


def upgrade_settings(settings: Any) -> Any:
    """Settings of a configuration with the keys of today; those of classes that are not ours stay.

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
    package, _, name = str(settings.get("class_path", "")).rpartition(".")
    arguments = upgraded.get("init_args")
    if isinstance(arguments, dict) and package.partition(".")[0] in ("", "unlearning_pl"):
        upgraded["init_args"] = dict(_argument(name, *item) for item in arguments.items())
    return upgraded


def _argument(class_name: str, key: str, value: Any) -> tuple[str, Any]:
    new = KEYS.get(class_name, {}).get(key, key)
    if new != key:
        warn(f"The argument {key} of {class_name}", new)
    return new, VALUES.get((new, value), value) if isinstance(value, str) else value


def upgrade_command(args: Sequence[str]) -> list[str]:
    """A command line with the options of today; a configuration file with old keys is replaced by its settings.

    Args:
        args: The command and its options.

    Returns:
        The same words where nothing in them is old.

    Example:
        >>> upgrade_command(["fit", "--data.batch_size", "8"])
        ['fit', '--data.batch_size', '8']
    """
    words: list[str] = []
    for word in args:
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        before = words[-1] if words and not equals else option
        if not equals and option:
            words.append(_option(option))
        else:
            words.append((_option(option) + "=" if equals else "") + _value(_option(before), value))
    return words


def _option(option: str) -> str:
    found = re.fullmatch(r"(--(?:method|data\.source(?:\.source)*)\.)(\w+)", option)
    new = next((keys[found[2]] for keys in KEYS.values() if found[2] in keys), None) if found else None
    if found is None or new is None:
        return option
    warn(f"The option {option}", found[1] + new)
    return found[1] + new


def _value(option: str, value: str) -> str:
    if option not in ("--config", "-c") or not os.path.isfile(os.path.expanduser(value)):
        return VALUES.get((option.rpartition(".")[2], value), value)
    try:
        with open(os.path.expanduser(value), encoding="utf-8") as file:
            settings = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return value  # the parser says what is wrong
    upgraded = upgrade_settings(settings)
    return value if upgraded == settings else json.dumps(upgraded, default=str)
