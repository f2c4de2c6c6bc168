"""The mode in which jsonargparse reads and writes the settings of this package."""

from typing import Any

import yaml
from jsonargparse import set_dumper, set_loader

from unlearning_pl.yaml_text.yaml_settings import read_yaml, write_yaml

PARSER_MODE = "unlearning_pl"
"""``parser_mode`` of every parser: names in a forget request stay text, which no type restores after YAML."""


def load_settings(text: str) -> Any:
    """Load a configuration, or the value of one option, as jsonargparse's own loader does.

    Text that YAML reads as nothing but a comment, and ``{a, b}``, remain text: a value of an option, not YAML.

    Args:
        text: The configuration or the value.

    Raises:
        yaml.YAMLError: As :func:`~unlearning_pl.yaml_text.yaml_settings.read_yaml`.

    Example:
        >>> load_settings("{forget: {classes: 002}}"), load_settings("# == 3")
        ({'forget': {'classes': ['002']}}, '# == 3')
    """
    value = read_yaml(text)
    if value is None and text.strip().startswith("#"):
        return text
    if isinstance(value, dict) and value and all(entry is None for entry in value.values()):
        keys = set(text.strip(" {}").replace(" ", "").split(","))
        return text if keys == set(value) or text.strip() == f"{next(iter(value))}:" else value
    return value


set_loader(PARSER_MODE, load_settings, (yaml.YAMLError,))
set_dumper(PARSER_MODE, write_yaml)
