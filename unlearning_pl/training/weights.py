"""Weights of a model: in a run folder, a checkpoint, a file from elsewhere, or published under a name."""

import hashlib
import io
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner

WEIGHTS = "checkpoints/last.ckpt"
"""Where a run folder has them."""


def checkpoint_path(run: str | Path) -> Path:
    """The checkpoint of a run folder, or the checkpoint file itself.

    Raises:
        InputError: If it does not exist.
    """
    path = Path(run)
    path = path / WEIGHTS if path.is_dir() else path
    require(path.is_file(), f"Expected a checkpoint at {path}, got no such file. Give a finished run or a .ckpt file.")
    return path


def weights_digest(run: str | Path) -> str:
    """SHA-256 of a run's weights file, or of a checkpoint file."""
    return hashlib.sha256(checkpoint_path(run).read_bytes()).hexdigest()


def read_checkpoint(run: str | Path) -> dict[str, Any]:
    """Load a checkpoint of plain tensors, never code.

    Raises:
        InputError: If the file does not exist or is no checkpoint.
    """
    path = checkpoint_path(run)
    require(
        path.suffix != ".safetensors" or find_spec("safetensors") is not None,
        f"Expected the package safetensors to read {path}, got none. Run pip install 'unlearning-pl[clip]'.",
    )
    try:
        checkpoint = _tensors(path)
    except Exception as error:  # torch raises a different one for each way of being no checkpoint
        raise InputError(f"Expected a checkpoint, got {path}, which torch cannot load. Give another file.") from error
    if isinstance(checkpoint, dict) and checkpoint and all(isinstance(value, Tensor) for value in checkpoint.values()):
        checkpoint = {"state_dict": checkpoint}  # weights and nothing else
    require(
        isinstance(checkpoint, dict) and isinstance(checkpoint.get("state_dict"), dict),
        f"Expected a checkpoint with a state_dict, got {path} without one. Give a file that Lightning wrote.",
    )
    return dict(checkpoint)


def check_readable(states: Mapping[str, Any]) -> None:
    """Refuse what a checkpoint could be written with, and never be loaded from without running code.

    Args:
        states: Of callbacks, by name.

    Raises:
        InputError: If one holds more than tensors, numbers, texts and lists or dictionaries of them.

    Example:
        >>> check_readable({"Clock": {"seconds": 1.5}})
    """
    for name, state in states.items():
        stream = io.BytesIO()
        try:
            torch.save(state, stream)
            stream.seek(0)
            torch.load(stream, map_location="cpu", weights_only=True)
        except Exception as error:  # as many kinds as there are ways
            kind = re.search(r"GLOBAL (\S+)", str(error))
            raise InputError(
                f"Expected tensors, numbers and texts as the state of the callback {name}, got "
                f"{kind[1] if kind else error}, with which no run could go on. Convert what its state_dict returns."
            ) from error


def _tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file  # comes with open_clip and timm

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def find_weights(learner: Learner, run: str | Path) -> Path:
    """The file of what :func:`load_weights` takes.

    Raises:
        InputError: If it does not exist.
    """
    return checkpoint_path(run if Path(run).exists() else learner.published(str(run)) or run)


def load_weights(learner: Learner, run: str | Path) -> None:
    """Load weights into a learner.

    Args:
        learner: What they are for.
        run: A run folder, a checkpoint or a safetensors file, or a name under which weights are published.

    Raises:
        InputError: If they belong to another architecture, or are not finite.
    """
    path = find_weights(learner, run)
    state = learner.weights(read_checkpoint(path)["state_dict"])
    check_weights(learner, state, path)
    learner.load_state_dict(state)


def check_weights(learner: Learner, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare names and shapes of weights with a learner's, and load nothing.

    Raises:
        InputError: If they belong to another architecture, or are not finite.
    """
    wanted = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    found = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    other = next((name for name in {**wanted, **found} if wanted.get(name) != found.get(name)), None)
    require(
        other is None,
        f"Expected weights of a {type(learner).__name__} with the configured backbone, got {path} of another "
        f"architecture ({other} differs). Give the model settings that it was trained with.",
    )
    broken = next((name for name, value in state.items() if not torch.isfinite(value).all()), None)
    require(broken is None, f"Expected finite weights, got NaN or infinity in {broken} of {path}. Train it again.")
