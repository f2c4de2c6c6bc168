"""Loading of weights from a run folder, a checkpoint, a safetensors file or a published name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.learners.key_maps import OWN, KeyMap
from unlearning_pl.training.checkpoint_files import checkpoint_path, read_checkpoint
from unlearning_pl.training.dense_tensors import check_tensors
from unlearning_pl.training.match_weights import COUNTER, match_weights
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.run_lock import require_not_training
from unlearning_pl.training.state_dicts import other_weights
from unlearning_pl.training.weight_differences import name_difference, shape_difference

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def find_weights(learner: Learner, run: str | Path) -> Path:
    """Return the path of the file that :func:`load_weights` reads.

    Raises:
        InputError: If the file does not exist.
    """
    return checkpoint_path(run if Path(run).exists() else learner.pretrained_path(str(run)) or run)


def load_weights(learner: Learner, run: str | Path, new_head: bool = False) -> None:
    """Load weights into a learner, from a run or from the file of another tool.

    Args:
        learner: The learner, of the architecture that the weights belong to.
        run: A run folder, a checkpoint or a safetensors file, or a name under which weights are published.
        new_head: Whether weights of an encoder alone will do: the head stays as it was initialised, and a line says so.

    Raises:
        InputError: If the weights belong to another architecture, or are not finite, or if the run still trains or did
            not end with these weights.
    """
    require_not_training(run)
    path = find_weights(learner, run)
    content = read_checkpoint(path)
    saved = content["state_dict"]
    note_other_weights(content, saved, path)
    check_tensors(saved, path)
    check_recorded(run, saved)
    matched = match_weights(learner, saved, path, new_head)
    check_weights(learner, matched.state, path, matched.key_map)
    learner.load_state_dict(matched.state)
    missing = [name for name in matched.added if not name.endswith(COUNTER)]
    if missing:
        rank_zero_info(f"{path} has no {', '.join(missing)}, which stays as it was initialised.")


def note_other_weights(content: Any, state: Mapping[str, Any], path: Path) -> None:
    """Report averages and other sets of weights that a file holds besides those that are read.

    Args:
        content: Content of the file.
        state: The weights that are read.
        path: The file.

    Example:
        >>> note_other_weights({"state_dict": {"bias": torch.ones(1)}, "epoch": 3}, {"bias": torch.ones(1)}, Path("w"))
    """
    others = other_weights(content, state)
    if others:
        names = ", ".join(others)
        rank_zero_info(f"{path} has weights under {names} too, which are not read: state_dict comes first.")


def check_weights(learner: Learner, state: Mapping[str, Tensor], path: str | Path, key_map: KeyMap = OWN) -> None:
    """Compare the names and shapes of weights with those of a learner, and load nothing.

    Args:
        learner: The learner.
        state: Weights by the learner's names.
        path: Their file, for messages.
        key_map: The map of names that was applied.

    Raises:
        InputError: If the names or shapes are not those of the learner, or a weight is not finite.
    """
    expected = learner.state_dict()
    named = "" if key_map is OWN else f" (names of {key_map.name})"
    kind = f"Expected weights of a {type(learner).__name__} with the configured backbone, got {path}{named}"
    settings = _settings_that_help(learner, state)
    difference = name_difference(expected.keys(), state.keys())
    remedy = settings if expected.keys() - state.keys() else f"{settings}, or save the weights of the model alone"
    require(difference is None, f"{kind} with other names: {difference}. {remedy}.")
    difference = shape_difference(expected, state)
    require(difference is None, f"{kind} of another architecture: {difference}. {settings}.")
    for name, value in state.items():
        require(
            name.endswith(COUNTER) or _converts(value.dtype, expected[name].dtype),
            f"{kind}, in which {name} is {value.dtype} in place of {expected[name].dtype}. Save unquantised weights.",
        )
        finite = torch.isfinite(value.to(expected[name].dtype)).all()
        require(bool(finite), f"Expected finite weights, got NaN or infinity in {name} of {path}. Train it again.")


def _settings_that_help(learner: Learner, state: Mapping[str, Tensor]) -> str:
    """What to do about names or shapes that differ: the option whose part of the model they belong to."""
    expected = learner.state_dict()
    missing = {name for name in expected if name not in state or expected[name].shape != state[name].shape}
    parts = {name.removeprefix("key_encoder.").partition(".")[0] for name in missing | (state.keys() - expected.keys())}
    if parts == {"head"} and "head.weight" in state:
        classes = len(state["head.weight"])
        return f"The file has {classes} classes: give --model.num_classes {classes}"
    if parts == {"queue"}:
        return f"Give --model.queue_size {len(state['queue.keys'])}"
    if parts <= {"projection_head", "prediction_head", "queue"}:
        return "Give model.projection_head (lightly, mlp, mlp_bn or linear), hidden_dim and projection_dim of the file"
    return "Give the model settings that it was trained with"


def _converts(given: torch.dtype, expected: torch.dtype) -> bool:
    """Whether values keep their meaning: quantised ones, integers or of 8 bits, lack their scale."""
    integers = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    return given == expected or any(given in group and expected in group for group in (_FLOATS, integers))
