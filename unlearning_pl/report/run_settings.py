"""Method and parameters of a model, read from the settings of its run."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NO_METHOD = {"original": "training", "retrained": "training from scratch on retain"}
"""How the reference models are trained."""


class RunSettings(NamedTuple):
    """Training or unlearning settings of a model.

    Attributes:
        name: Name of the model.
        method: Class name of the method, with those of its plug-ins.
        parameters: Value by name: those of the method, then optimizer, learning rate, weight decay, schedule, warm-up,
            epochs.
        settings: All settings, unabridged.
    """

    name: str
    method: str
    parameters: dict[str, Any]
    settings: Mapping[str, Any]


def read_run_settings(name: str, settings: Mapping[str, Any]) -> RunSettings:
    """Read a run's settings; values in another format than that of our commands stay unchanged.

    Args:
        name: Name of the model.
        settings: ``model``, ``method``, ``plugins`` and ``optimizer``, each ``{"class_path": ..., "init_args":
            {...}}``, plain values such as ``epochs``, and ``imported``, the name of a file; every key optional.

    Example:
        >>> method = {"class_path": "unlearning_pl.methods.SalUn", "init_args": {"share": 0.5}}
        >>> read_run_settings("salun", {"method": method, "epochs": 3, "optimizer": {"init_args": {"lr": 0.1}}})[1:3]
        ('SalUn', {'share': 0.5, 'lr': 0.1, 'epochs': 3})
    """
    parts = [settings.get("method"), *_as_list(settings.get("plugins"))]
    names = [_class_name(part) for part in parts if part]
    parameters: dict[str, Any] = {}
    for part in parts:
        parameters |= _arguments(part)
    optimizer = settings.get("optimizer")
    parameters |= {"optimizer": _class_name(optimizer)} if _class_name(optimizer) else {}
    parameters |= {key: _arguments(optimizer)[key] for key in ("lr", "weight_decay") if key in _arguments(optimizer)}
    plain = ("weight_decay_on", "schedule", "milestones", "warmup_steps", "epochs", "seed")
    parameters |= {key: settings[key] for key in plain if settings.get(key) is not None}
    imported = f"trained elsewhere, weights of {settings['imported']}" if settings.get("imported") else ""
    method = " + ".join(filter(None, names)) or imported or NO_METHOD.get(name, "")
    return RunSettings(name, method, parameters, settings)


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value else []


def _class_name(part: Any) -> str:
    path = part.get("class_path", "") if isinstance(part, Mapping) else part or ""
    return str(path).rpartition(".")[2]


def _arguments(part: Any) -> dict[str, Any]:
    arguments = part.get("init_args") if isinstance(part, Mapping) else None
    return {str(key): value for key, value in (arguments or {}).items() if value is not None}
