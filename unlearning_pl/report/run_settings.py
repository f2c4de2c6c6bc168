"""Which method and parameters a model was made with, out of the settings of its run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NO_METHOD = {"original": "training", "retrained": "training from scratch on retain"}
"""How the references were made."""


class Made(NamedTuple):
    """How a model was made.

    Attributes:
        name: Of the model.
        method: In the words of the code; several where plug-ins were added.
        parameters: Value by name: those of the method, then optimizer, learning rate, schedule, epochs.
        settings: Everything that is known, for who wants to see it all.
    """

    name: str
    method: str
    parameters: dict[str, Any]
    settings: Mapping[str, Any]


def made(name: str, settings: Mapping[str, Any]) -> Made:
    """Read a run's settings; what is not written as our commands write it is kept as it is.

    Args:
        name: Of the model.
        settings: ``model``, ``method``, ``plugins`` and ``optimizer``, each ``{"class_path": ..., "init_args":
            {...}}``, and plain values such as ``epochs``; every key optional.

    Example:
        >>> method = {"class_path": "unlearning_pl.methods.SalUn", "init_args": {"share": 0.5}}
        >>> made("salun", {"method": method, "epochs": 3, "optimizer": {"init_args": {"lr": 0.1}}})[1:3]
        ('SalUn', {'share': 0.5, 'lr': 0.1, 'epochs': 3})
    """
    parts = [settings.get("method"), *_listed(settings.get("plugins"))]
    names = [_name(part) for part in parts if part]
    parameters: dict[str, Any] = {}
    for part in parts:
        parameters |= _arguments(part)
    optimizer = settings.get("optimizer")
    parameters |= {"optimizer": _name(optimizer)} if _name(optimizer) else {}
    parameters |= {key: _arguments(optimizer)[key] for key in ("lr", "weight_decay") if key in _arguments(optimizer)}
    parameters |= {key: settings[key] for key in ("schedule", "epochs", "seed") if settings.get(key) is not None}
    return Made(name, " + ".join(filter(None, names)) or NO_METHOD.get(name, ""), parameters, settings)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value else []


def _name(part: Any) -> str:
    path = part.get("class_path", "") if isinstance(part, Mapping) else part or ""
    return str(path).rpartition(".")[2]


def _arguments(part: Any) -> dict[str, Any]:
    found = part.get("init_args") if isinstance(part, Mapping) else None
    return {str(key): value for key, value in (found or {}).items() if value is not None}
