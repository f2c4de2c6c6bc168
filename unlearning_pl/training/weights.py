"""Weights of a model: in a run folder, a checkpoint, a file from elsewhere, or published under a name."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoints import checkpoint_path, read_checkpoint


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
