"""Weights of a learner under the names, shapes, types and nesting of the file that they came from."""

import copy
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unlearning_pl.errors import require, shown
from unlearning_pl.learners import Learner
from unlearning_pl.training.match_weights import MatchedWeights, match_weights
from unlearning_pl.training.state_dicts import find_state_dict
from unlearning_pl.training.weight_differences import name_difference, shape_difference

_DEPTH = 5
"""Most keys above the weights, and most levels of the settings beside them."""
_TRAINING = re.compile(r"optim|sched|scal|callback|loop|rng", re.IGNORECASE)
"""Keys of what a training needs to resume, even where it holds no tensor."""


class RestoredFile(NamedTuple):
    """The weights of a learner, laid out as in a file.

    Attributes:
        content: What the file holds, with other values of the weights, and without states of its training.
        weights: The weights alone by their names in the file.
        copied: Names of tensors that are no part of the model, and are those of the file.
        left_out: Keys of the file that are not in ``content``: optimiser states, other sets of weights.
    """

    content: dict[str, Any]
    weights: dict[str, Tensor]
    copied: list[str]
    left_out: list[str]


def restore_layout(learner: Learner, content: Any, file: Path, dtype: torch.dtype | None = None) -> RestoredFile:
    """Give the weights of a learner the layout of a file that holds other weights of the same model.

    Order, shapes and types are the file's. A weight that unlearning did not change is the file's own tensor, bit for
    bit, whatever its type. Weights that the file does not have are left out.

    Args:
        learner: The learner with the weights to write.
        content: What the file holds, see :func:`~unlearning_pl.training.read_tensors.read_tensors`.
        file: The file, for messages.
        dtype: Type of all floating-point tensors, in place of the file's.

    Raises:
        InputError: If the file holds the weights of another model, or a weight is too large for its type in the file.

    Example:
        >>> from unlearning_pl.learners import Classifier
        >>> learner = Classifier("torchvision/resnet18", num_classes=3)
        >>> file = {"state_dict": {"module." + n: v for n, v in learner.backbone.state_dict().items()}, "epoch": 9}
        >>> file["state_dict"] |= {"module.fc.weight": torch.ones(3, 512), "module.fc.bias": torch.ones(3)}
        >>> restored = restore_layout(learner, file, Path("w.pt"))
        >>> torch.equal(restored.content["state_dict"]["module.fc.bias"], learner.head.bias)
        True
    """
    state = find_state_dict(content, file)
    matched = match_weights(learner, state, file)
    _require_same_model(learner, matched, file)
    own = learner.state_dict()
    values = {
        id(state[origin]): _as_in_file(state[origin], _value(own[name], name, matched, state[origin]), origin, dtype)
        for name, origin in matched.origin.items()
    }
    copied = [name for name, value in state.items() if id(value) not in values]
    assert {*copied} <= {*matched.left_out, "n_averaged"}, "every other tensor is a weight of the learner"
    values = {id(state[name]): _as_in_file(state[name], state[name], name, dtype) for name in copied} | values
    left_out: list[str] = []
    rebuilt = _rebuild(content, values, left_out)
    return RestoredFile(rebuilt, {name: values[id(value)] for name, value in state.items()}, copied, left_out)


def _require_same_model(learner: Learner, matched: MatchedWeights, file: Path) -> None:
    expected = learner.state_dict()
    difference = name_difference(expected.keys(), matched.state.keys())
    if difference is None:
        difference = shape_difference(expected, matched.state)
    remedy = "Give the file that the model came from as --like FILE, or export with --names own."
    require(
        difference is None,
        f"Expected a file with weights of the run's own {type(learner).__name__}, got {file}: {difference}. {remedy}",
    )
    split = expected.keys() - matched.origin.keys() - {*matched.added}  # by a learner that renames weights itself
    require(
        not split,
        f"Expected a file with one tensor for each weight of the run, got {file} with another number for "
        f"{', '.join(map(shown, sorted(split)[:3]))}. Export with --names own.",
    )


def _value(own: Tensor, name: str, matched: MatchedWeights, saved: Tensor) -> Tensor:
    """A weight as the file has it: itself if unlearning did not change it, transposed, or repeated for each group."""
    if torch.equal(matched.state[name].to(own.dtype), own):
        return saved
    if own.numel() != saved.numel():
        return own.repeat(saved.numel() // own.numel())
    return own.T if name in matched.key_map.transposed else own


def _as_in_file(saved: Tensor, value: Tensor, name: str, dtype: torch.dtype | None) -> Tensor:
    """The value with shape and type of the saved tensor, and this tensor itself if they are equal."""
    value = value.reshape(saved.shape)
    wanted = dtype if dtype is not None and saved.is_floating_point() else saved.dtype
    if torch.equal(saved.to(value.dtype), value):
        value = saved  # a float64, which the learner holds as float32, keeps its bits
    return convert(value, wanted, name)


def convert(value: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """A tensor in another type, contiguous; one that has the type already keeps its values, infinite ones included.

    Args:
        value: The tensor.
        dtype: The type.
        name: Its name, for messages.

    Raises:
        InputError: If a value is too large for the type.

    Example:
        >>> convert(torch.tensor([1e6]), torch.float16, "scale")
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected weights that float16 can hold, got 1e+06 in scale. Give `dtype=...
    """
    converted = value.detach().to(dtype).contiguous()
    finite = not dtype.is_floating_point or dtype == value.dtype or bool(torch.isfinite(converted).all())
    require(
        finite,
        f"Expected weights that {str(dtype).removeprefix('torch.')} can hold, got {float(value.abs().max()):g} in "
        f"{shown(name)}. Give --dtype bfloat16 or float32.",
    )
    return converted


def _rebuild(content: Mapping[Any, Any], values: Mapping[int, Tensor], left_out: list[str]) -> dict[str, Any]:
    kept: Any = copy.copy(content)  # an OrderedDict of torch keeps the versions of its modules
    kept.clear()
    for key, value in content.items():
        if isinstance(value, Tensor) and id(value) in values:
            kept[key] = values[id(value)]
        elif isinstance(value, Mapping) and _holds_weights(value, values, _DEPTH):
            kept[key] = _rebuild(value, values, left_out)
        elif _is_setting(value, _DEPTH) and not (isinstance(value, (Mapping, list)) and _TRAINING.search(str(key))):
            kept[key] = value
        else:
            left_out.append(str(key))
    return kept  # type: ignore[no-any-return]


def _holds_weights(content: Mapping[Any, Any], values: Mapping[int, Tensor], depth: int) -> bool:
    return depth > 0 and any(
        id(value) in values
        if isinstance(value, Tensor)
        else isinstance(value, Mapping) and _holds_weights(value, values, depth - 1)
        for value in content.values()
    )


def _is_setting(value: Any, depth: int) -> bool:
    """Whether a value is text, a number, or a collection of such."""
    if isinstance(value, (Mapping, list, tuple)):
        inner = value.values() if isinstance(value, Mapping) else value
        return depth > 0 and all(_is_setting(item, depth - 1) for item in inner)
    return isinstance(value, (str, int, float, bool, type(None)))
