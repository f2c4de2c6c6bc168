"""Conversion of configurations and command lines of version 0.1, by the tables of :mod:`unlearning_pl.deprecated`."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any

import yaml

from unlearning_pl.deprecated import KEYS, VALUES, warn


def upgrade_settings(settings: Any) -> Any:
    """Rename deprecated keys in a configuration; settings of classes outside this package stay as they are.

    Args:
        settings: Settings as read from YAML.

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
        upgraded["init_args"] = dict(_upgrade_argument(name, *item) for item in arguments.items())
    return upgraded


def _upgrade_argument(class_name: str, key: str, value: Any) -> tuple[str, Any]:
    new = KEYS.get(class_name, {}).get(key, key)
    if new != key:
        warn(f"The argument {key} of {class_name}", new)
    return new, VALUES.get((new, value), value) if isinstance(value, str) else value


def upgrade_command(args: Sequence[str]) -> list[str]:
    """Rename deprecated options in a command line.

    A configuration file with deprecated keys is replaced by its settings as JSON.

    Args:
        args: The command and its options.

    Returns:
        The command line; equal to ``args`` if nothing in it is deprecated.

    Example:
        >>> upgrade_command(["fit", "--data.batch_size", "8"])
        ['fit', '--data.batch_size', '8']
    """
    words: list[str] = []
    for word in args:
        option, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        value_option = words[-1] if words and not equals else option
        if not equals and option:
            words.append(_upgrade_option(option))
        else:
            prefix = _upgrade_option(option) + "=" if equals else ""
            words.append(prefix + _upgrade_value(_upgrade_option(value_option), value))
    return words


def _upgrade_option(option: str) -> str:
    match = re.fullmatch(r"(--(?:method|data\.source(?:\.source)*)\.)(\w+)", option)
    new = next((keys[match[2]] for keys in KEYS.values() if match[2] in keys), None) if match else None
    if match is None or new is None:
        return option
    warn(f"The option {option}", match[1] + new)
    return match[1] + new


def _upgrade_value(option: str, value: str) -> str:
    if option not in ("--config", "-c") or not os.path.isfile(os.path.expanduser(value)):
        return VALUES.get((option.rpartition(".")[2], value), value)
    try:
        with open(os.path.expanduser(value), encoding="utf-8") as file:
            settings = yaml.safe_load(file)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return value  # the parser reports what is wrong with the file
    upgraded = upgrade_settings(settings)
    return value if upgraded == settings else json.dumps(upgraded, default=str)
