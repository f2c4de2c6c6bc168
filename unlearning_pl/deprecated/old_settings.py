"""Conversion of configurations and command lines of version 0.1."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import yaml

from unlearning_pl.deprecated.names import KEYS, MODULES, NAMES, PACKAGES, VALUES, warn
from unlearning_pl.yaml_text.yaml_settings import read_yaml, write_inline_yaml

_NEW_MODULES = MODULES | {old: new for old, (new, _) in PACKAGES.items()}
_CLASS_PATH = re.compile(
    rf"\bunlearning_pl\.({'|'.join(sorted(map(re.escape, _NEW_MODULES), key=len, reverse=True))})\.(\w+)"
)


def upgrade_settings(settings: Any) -> Any:
    """Rename deprecated keys and class paths in a configuration; settings of other packages' classes stay as they are.

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
    if not isinstance(settings.get("class_path"), str):
        return upgraded
    upgraded["class_path"] = _upgrade_class_path(settings["class_path"])
    package, _, name = upgraded["class_path"].rpartition(".")
    arguments = upgraded.get("init_args")
    if isinstance(arguments, dict) and package.partition(".")[0] in ("", "unlearning_pl"):
        upgraded["init_args"] = dict(_upgrade_argument(name, *item) for item in arguments.items())
    return upgraded


def upgrade_class_paths(args: Sequence[str]) -> list[str]:
    """Rename deprecated class paths in a command line.

    A configuration file with deprecated class paths is replaced by its settings as JSON.

    Args:
        args: The command and its options.

    Returns:
        The command line; equal to ``args`` if no class path is deprecated.

    Example:
        >>> upgrade_class_paths(["fit", "--data.views", "JitterViews"])
        ['fit', '--data.views', 'JitterViews']
    """
    words = []
    for position, word in enumerate(args):
        option, equals, value = word.partition("=") if word.startswith("-") else (args[position - 1], "", word)
        if option in ("--config", "-c"):
            value = _upgrade_file(value, _CLASS_PATH)
        elif "class_path" in value and _CLASS_PATH.search(value):
            value = _upgrade_text(value)
        else:
            value = _upgrade_class_path(value)
        words.append(f"{option}={value}" if equals else word if word.startswith("-") else value)
    return words


def upgrade_options(args: Sequence[str]) -> list[str]:
    """Rename deprecated options in a command line.

    A configuration file with deprecated keys is replaced by its settings as JSON. Use it only if a command line cannot
    be parsed as it is: an option of a user's own class may have a name that is deprecated in this package.

    Args:
        args: The command and its options.

    Returns:
        The command line; equal to ``args`` if no option is deprecated.

    Example:
        >>> upgrade_options(["fit", "--data.batch_size", "8"])
        ['fit', '--data.batch_size', '8']
    """
    words: list[str] = []
    for word in args:
        option, equals, value = word.partition("=") if word.startswith("-") else (words[-1] if words else "", "", word)
        name = _upgrade_option(option, args) if word.startswith("-") else option
        value = _upgrade_value(name, value)
        words.append(f"{name}={value}" if equals else name if word.startswith("-") else value)
    return words


def _upgrade_value(option: str, value: str) -> str:
    if option in ("--config", "-c"):
        return _upgrade_file(value)
    if "init_args" in value:  # the settings of a class as JSON or YAML
        return _upgrade_text(value)
    return VALUES.get((option.rpartition(".")[2], value), value)


def _upgrade_class_path(path: str) -> str:
    match = _CLASS_PATH.fullmatch(path)
    if match is None:
        return path
    new = f"unlearning_pl.{_NEW_MODULES[match[1]]}.{NAMES.get(match[2], match[2])}"
    warn(path, new)
    return new


def _upgrade_argument(class_name: str, key: str, value: Any) -> tuple[str, Any]:
    new = KEYS.get(class_name, {}).get(key, key)
    if new != key:
        warn(f"The argument {key} of {class_name}", new)
    return new, VALUES.get((new, value), value) if isinstance(value, str) else value


def _upgrade_option(option: str, args: Sequence[str]) -> str:
    match = re.fullmatch(r"(--(method|data\.source(?:\.source|\.init_args)*)\.(?:init_args\.)?)(\w+)", option)
    chosen = _last_value(args, f"--{match[2].removesuffix('.init_args')}") if match else None
    names = KEYS if chosen is None else {chosen.removeprefix("unlearning_pl.").rpartition(".")[2]} & {*KEYS}
    if match is None or (chosen or "unlearning_pl").partition(".")[0] not in ("unlearning_pl", *KEYS):
        return option
    new = next((KEYS[name][match[3]] for name in names if match[3] in KEYS[name]), None)
    if new is None:
        return option
    warn(f"The option {option}", match[1] + new)
    return match[1] + new


def _last_value(args: Sequence[str], option: str) -> str | None:
    found = None
    for word, following in pairwise([*args, ""]):
        found = following if word == option else word.partition("=")[2] if word.startswith(f"{option}=") else found
    return found


def _upgrade_file(path: str, pattern: re.Pattern[str] | None = None) -> str:
    """Return the settings of a file as JSON if one is deprecated and the text contains ``pattern``, else the path."""
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError):
        return path  # the parser reports what is wrong with the file
    upgraded = _upgrade_text(text) if pattern is None or pattern.search(text) else text
    return path if upgraded == text else upgraded


def _upgrade_text(text: str) -> str:
    """Return settings in YAML or JSON as JSON if one is deprecated, else the text."""
    try:
        settings = read_yaml(text)
    except yaml.YAMLError:
        return text
    upgraded = upgrade_settings(settings)
    return text if upgraded == settings else write_inline_yaml(upgraded)
