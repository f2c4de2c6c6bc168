"""Enumerated defaults of Lightning's classes as plain texts, which a configuration file can hold."""

from enum import Enum
from typing import Any

from jsonargparse import Namespace


def with_plain_enums(settings: Any) -> Any:
    """Replace members of string enumerations, such as the default ``interval`` of Lightning's Timer, by their values.

    Args:
        settings: Parsed settings: namespaces, dictionaries, lists and plain values; namespaces are changed in place.

    Example:
        >>> Interval = Enum("Interval", {"step": "step"}, type=str)
        >>> with_plain_enums({"interval": Interval.step})
        {'interval': 'step'}
    """
    if isinstance(settings, Namespace):
        for name, value in vars(settings).items():
            settings[name] = with_plain_enums(value)
        return settings
    if isinstance(settings, dict):
        return {name: with_plain_enums(value) for name, value in settings.items()}
    if isinstance(settings, list):
        return [with_plain_enums(value) for value in settings]
    return settings.value if isinstance(settings, Enum) and isinstance(settings, str) else settings
