"""Choice of the checkpoint that a run resumes from, and what it records of the data."""

from pathlib import Path
from typing import Any

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoint_files import checkpoint_path, has_checkpoint
from unlearning_pl.training.run_record import RECORD

NORMALISATION = "normalisation"
"""Key, in a checkpoint, of the mean and standard deviation that normalise the images."""
TF32 = "tf32"
"""Key, in a checkpoint, of whether float32 products on CUDA use TF32; earlier versions did not record it."""
SEED = "seed"
"""Key, in a checkpoint, of the seed of the run; None if none was given."""


def resume_point(run: Path | None, ckpt_path: str | Path | None) -> Path | None:
    """Find the checkpoint that a command resumes from.

    Args:
        run: The run folder.
        ckpt_path: A checkpoint; ``last`` for the run folder's own; ``auto`` for the same if it exists.

    Returns:
        Path of the checkpoint; None if the run starts from the beginning.

    Raises:
        InputError: If there is no such checkpoint.

    Example:
        >>> resume_point(Path("nowhere"), "auto") is None
        True
    """
    if ckpt_path is None:
        return None
    if ckpt_path not in ("last", "auto"):
        return checkpoint_path(ckpt_path)
    require(run is not None, f"Expected --run with ckpt_path = {ckpt_path}, got none. Add it.")
    assert run is not None
    return checkpoint_path(run) if ckpt_path == "last" or has_checkpoint(run) else None


def is_finished(run: Path | None, overwrite: bool) -> bool:
    """Whether a command with ``ckpt_path = auto`` has nothing left to do.

    Args:
        run: The run folder.
        overwrite: Whether the command also has the option to overwrite the run.

    Raises:
        InputError: If ``overwrite`` is set: it contradicts ``auto``, with which a repeated command never starts again.

    Example:
        >>> is_finished(Path("nowhere"), overwrite=False)
        False
    """
    require(
        not overwrite,
        "Expected overwrite, which starts again, or ckpt_path = auto, which resumes, got both. Choose one of them.",
    )
    return run is not None and (run / RECORD).exists()


def normalisation(model: Learner, data: UnlearningData) -> dict[str, Any]:
    """The channel statistics that normalise the images of a run: the learner's own, or those of the source.

    They decide the weights, and the fingerprint of the data does not cover them.

    Example:
        >>> from unlearning_pl.learners import SimCLR
        >>> normalisation(SimCLR("resnet9_slim"), UnlearningData())["mean"]
        [0.305, 0.305, 0.305]
    """
    mean, std = model.pixels or (data.source.mean, data.source.std)
    return {"mean": [float(value) for value in mean], "std": [float(value) for value in std]}
