"""Refusal of ``${...}`` in settings: no command replaces it, so it would become part of a path or a name."""

import re
from collections.abc import Mapping
from typing import Any

from unlearning_pl.errors import InputError

_PATTERN = re.compile(r"\$\{[^{}]+\}")
_NAMES = re.compile(r"(data\.)?forget\.(classes|ids|per_class|where)(\..*)?", re.DOTALL)
"""Settings that hold names, which are what they are."""


def refuse_interpolation(settings: Any, key: str = "") -> None:
    """Refuse OmegaConf's and the shell's ``${...}`` in any setting but the names in a forget request.

    Args:
        settings: Parsed settings: mappings, lists and plain values.
        key: Key of ``settings`` in the whole configuration.

    Raises:
        InputError: If a text has ``${...}``.

    Example:
        >>> refuse_interpolation({"run": "runs/${oc.env:USER}"})
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected settings without ${...}, got run = runs/${oc.env:USER}. ...
    """
    if isinstance(settings, Mapping) or hasattr(settings, "items"):
        for name, value in settings.items():
            inner = key if name == "init_args" else f"{key}.{name}".lstrip(".")
            refuse_interpolation(value, inner)
    elif isinstance(settings, (list, tuple)):
        for value in settings:
            refuse_interpolation(value, key)
    elif isinstance(settings, str) and _PATTERN.search(settings) and not _NAMES.fullmatch(key):
        raise InputError(
            f"Expected settings without ${{...}}, got {key} = {settings}. Nothing replaces it: write the value, or "
            f'give the option on the command line with the shell\'s own --{key} "$NAME".'
        )
