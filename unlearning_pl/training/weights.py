"""Loading of weights from a run folder, a checkpoint, a safetensors file or a published name."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoint_files import checkpoint_path, read_checkpoint
from unlearning_pl.training.recorded_weights import check_recorded
from unlearning_pl.training.run_lock import require_not_training


def find_weights(learner: Learner, run: str | Path) -> Path:
    """Return the path of the file that :func:`load_weights` reads.

    Raises:
        InputError: If the file does not exist.
    """
    return checkpoint_path(run if Path(run).exists() else learner.pretrained_path(str(run)) or run)


def load_weights(learner: Learner, run: str | Path) -> None:
    """Load weights into a learner.

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
    check_recorded(run, saved)
    state = learner.weights(saved)
    check_weights(learner, state, path)
    learner.load_state_dict(state)


def check_weights(learner: Learner, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Compare the names and shapes of weights with those of a learner, and load nothing.

    Raises:
        InputError: If the weights belong to another architecture, or are not finite.
    """
    expected = {name: tuple(value.shape) for name, value in learner.state_dict().items()}
    actual = {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}
    different = next((name for name in {**expected, **actual} if expected.get(name) != actual.get(name)), None)
    require(
        different is None,
        f"Expected weights of a {type(learner).__name__} with the configured backbone, got {path} of another "
        f"architecture ({different} differs). Give the model settings that it was trained with.",
    )
    invalid = next((name for name, value in state.items() if not torch.isfinite(value).all()), None)
    require(invalid is None, f"Expected finite weights, got NaN or infinity in {invalid} of {path}. Train it again.")
