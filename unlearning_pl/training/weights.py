"""Loading of weights from a run folder, a checkpoint, a safetensors file or a published name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoint_files import checkpoint_path, read_checkpoint
from unlearning_pl.training.dense_tensors import check_tensors
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.run_lock import require_not_training
from unlearning_pl.training.state_dicts import plain_name, strip_prefixes
from unlearning_pl.training.weight_differences import name_difference, shape_difference

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_COUNTER = "num_batches_tracked"
"""Buffer of batch normalisation that older or other tools do not save, and that is not used with a momentum."""


def find_weights(learner: Learner, run: str | Path) -> Path:
    """Return the path of the file that :func:`load_weights` reads.

    Raises:
        InputError: If the file does not exist.
    """
    return checkpoint_path(run if Path(run).exists() else learner.pretrained_path(str(run)) or run)


def load_weights(learner: Learner, run: str | Path) -> None:
    """Load weights into a learner, from a run or from the file of another tool.

    Args:
        learner: The learner, of the architecture that the weights belong to.
        run: A run folder, a checkpoint or a safetensors file, or a name under which weights are published.

    Raises:
        InputError: If the weights belong to another architecture, or are not finite, or if the run still trains or did
            not end with these weights.
    """
    require_not_training(run)
    path = find_weights(learner, run)
    saved = read_checkpoint(path)["state_dict"]
    check_tensors(saved, path)
    check_recorded(run, saved)
    state = match_names(learner, saved, path)
    check_weights(learner, state, path)
    learner.load_state_dict(state)


def match_names(learner: Learner, state: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Give weights the names of a learner: strip the prefixes of wrappers, then convert names of another code base.

    The counters of batch normalisation are the learner's own if the file has none. Nothing else is added or dropped.

    Args:
        learner: The learner.
        state: Content of the file by name.
        path: The file, for messages.

    Returns:
        The weights, under the learner's names as far as they have such; :func:`check_weights` compares them.

    Raises:
        InputError: If a value is no dense tensor, or two names become equal.
    """
    check_tensors(state, path)
    own = {plain_name(name): name for name in learner.state_dict()}
    required = {name for name in own if not name.endswith(_COUNTER)}

    def converted(names: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {plain_name(name): value for name, value in learner.weights(names).items()}

    def differences(names: Mapping[str, Tensor]) -> int:
        given = converted(names).keys()
        return len(required - given) + len(given - own.keys())

    matched = {
        own.get(name, name): value for name, value in converted(strip_prefixes(state, path, differences)).items()
    }
    counters = {name: value for name, value in learner.state_dict().items() if name.endswith(_COUNTER)}
    return {**counters, **matched}


def check_weights(learner: Learner, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare the names and shapes of weights with those of a learner, and load nothing.

    Raises:
        InputError: If the names or shapes are not those of the learner, or a weight is not finite.
    """
    expected = learner.state_dict()
    kind = f"Expected weights of a {type(learner).__name__} with the configured backbone, got {path}"
    difference = name_difference(expected.keys(), state.keys())
    settings = "Give the model settings that it was trained with"
    remedy = settings if expected.keys() - state.keys() else "Save the weights of the model alone"
    require(difference is None, f"{kind} with other names: {difference}. {remedy}.")
    difference = shape_difference(expected, state)
    require(difference is None, f"{kind} of another architecture: {difference}. {settings}.")
    for name, value in state.items():
        require(
            name.endswith(_COUNTER) or _converts(value.dtype, expected[name].dtype),
            f"{kind}, in which {name} is {value.dtype} in place of {expected[name].dtype}. Save unquantised weights.",
        )
        finite = torch.isfinite(value.to(expected[name].dtype)).all()
        require(bool(finite), f"Expected finite weights, got NaN or infinity in {name} of {path}. Train it again.")


def _converts(given: torch.dtype, expected: torch.dtype) -> bool:
    """Whether values keep their meaning: quantised ones, integers or of 8 bits, lack their scale."""
    integers = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    return given == expected or any(given in group and expected in group for group in (_FLOATS, integers))
