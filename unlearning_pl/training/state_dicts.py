"""Find the weights in the file of any tool, and strip the prefixes that wrappers put before the names."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unlearning_pl.errors import InputError, require, shown

_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params")
_AVERAGES = ("ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "model_ema_state_dict")
"""Keys under which training loops save weights, and averages of them."""

PREFIXES = ("module.", "model.", "learner.", "net.", "network.")
"""Names of an attribute that holds a whole model: of DDP, of training loops."""

_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""Names that torch inserts for a compiled or wrapped submodule, anywhere."""

_DEPTH = 4
"""Most prefixes before a name."""


def find_state_dict(content: Any, path: Path) -> dict[str, Any]:
    """Find the weights by name in what a checkpoint file holds.

    Weights are the content itself, or lie under one of the keys ``state_dict``, ``model``, ``model_state_dict``,
    ``net``, ``ema`` and similar ones, also one below another; or under any key, if there is one only. ``state_dict``
    comes before all others.

    Args:
        content: Content of the file.
        path: The file, for messages.

    Raises:
        InputError: If there are none, or several under different keys.

    Example:
        >>> import torch
        >>> find_state_dict({"model": {"bias": torch.ones(1)}, "epoch": 3}, Path("w.pt"))
        {'bias': tensor([1.])}
    """
    require(
        isinstance(content, Mapping),
        f"Expected weights by name, got {path} with {type(content).__name__}. Save model.state_dict().",
    )
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    states = dict(_states(content, _DEPTH))
    known = {key: state for key, state in states.items() if key.split(".")[0] in (*_KEYS, *_AVERAGES)}
    candidates = known or states
    candidates = {key: state for key, state in candidates.items() if key.split(".")[0] == "state_dict"} or candidates
    if not candidates:
        return _loose(content, path)
    require(
        len(candidates) == 1,
        f"Expected one set of weights, got {path} with {' and '.join(map(shown, [*candidates][:4]))}. Save the one "
        "that you mean to a file of its own.",
    )
    return dict(next(iter(candidates.values())))


def other_weights(content: Any, state: Mapping[str, Any]) -> list[str]:
    """Keys of a file under which training loops save weights, and that are not those that are read.

    Args:
        content: Content of the file.
        state: The weights that :func:`find_state_dict` found.

    Example:
        >>> import torch
        >>> state = {"bias": torch.ones(1)}
        >>> other_weights({"state_dict": state, "state_dict_ema": {"bias": torch.zeros(1)}, "epoch": 3}, state)
        ['state_dict_ema']
    """
    read, values = {id(value) for value in state.values()}, content if isinstance(content, Mapping) else {}
    others = [key for key, found in _states(values, _DEPTH) if not read & {*map(id, found.values())}]
    return [key for key in others if key in (*_KEYS, *_AVERAGES)]


def _states(content: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Dictionaries with tensors and the keys that lead to them; the first ones on each way."""
    for key, value in content.items():
        if not isinstance(value, Mapping):
            continue
        if any(isinstance(item, Tensor) for item in value.values()) or (key == "state_dict" and not value):
            yield str(key), value
        elif depth > 0 and key in (*_KEYS, *_AVERAGES):
            yield from ((f"{key}.{inner}", state) for inner, state in _states(value, depth - 1))


def _loose(content: Mapping[Any, Any], path: Path) -> dict[str, Any]:
    """Weights beside other values, which :func:`match_names` names."""
    if any(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    keys = ", ".join(shown(key) for key in [*content][:5]) or "nothing"
    raise InputError(
        f"Expected a checkpoint with a state_dict, got {path} without one, but with {keys}. Save model.state_dict()."
    )


def plain_name(name: str) -> str:
    """Name of a tensor without what torch.compile, FSDP and activation checkpointing insert.

    Example:
        >>> plain_name("backbone._orig_mod.conv1.weight")
        'backbone.conv1.weight'
    """
    return _WRAPPERS.sub("", name)


def strip_prefixes(
    state: Mapping[str, Any], path: Path, differences: Callable[[Mapping[str, Any]], int]
) -> dict[str, Any]:
    """Strip what wrappers put before names: :data:`PREFIXES`, and ``_orig_mod.`` anywhere.

    Prefixes are stripped in the combination with which the fewest names differ from a learner's, and as few of them as
    possible: a learner may have an attribute of such a name.

    Args:
        state: Weights by name.
        path: Their file, for messages.
        differences: Number of names that differ from the learner's.

    Raises:
        InputError: If two names become equal.

    Example:
        >>> def differences(state):
        ...     return len(set(state) ^ {"bias"})
        >>> strip_prefixes({"module._orig_mod.bias": 0}, Path("w.pt"), differences)
        {'bias': 0}
    """
    count = state.get("n_averaged")  # of torch.optim.swa_utils.AveragedModel
    if count is not None and all(name.startswith("module.") for name in state if name != "n_averaged"):
        state = {name: value for name, value in state.items() if name != "n_averaged"}
    stripped = [_renamed(state, plain_name, path)]
    best, fewest = stripped[0], differences(stripped[0])
    for _ in range(_DEPTH):
        if fewest == 0:
            break
        stripped = [
            _renamed(names, lambda name, prefix=prefix: name.removeprefix(prefix), path)  # type: ignore[misc]
            for names in stripped
            for prefix in PREFIXES
            if any(name.startswith(prefix) for name in names)
        ]
        for names in stripped:
            if (count := differences(names)) < fewest:
                best, fewest = names, count
    return best


def _renamed(state: Mapping[str, Any], rename: Callable[[str], str], path: Path) -> dict[str, Any]:
    renamed: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for name, value in state.items():
        new = rename(name)
        if new in renamed:
            raise InputError(
                f"Expected one tensor of each name, got {shown(origin[new])} and {shown(name)} in {path}, which are "
                "equal without prefixes. Save the one that you mean."
            )
        renamed[new], origin[new] = value, name
    return renamed
