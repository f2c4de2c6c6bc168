"""Checkpoints that a run kept while it trained, as models by epoch: degrees of overfitting."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.errors import require
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import CHECKPOINT, read_checkpoint
from unlearning_pl.training.run_lock import require_not_training
from unlearning_pl.training.weights import load_weights

EPOCH = "epoch "
"""What the name of a model of a checkpoint begins with; the epoch follows."""


def open_checkpoints(run: str, allow: Sequence[str] = ()) -> dict[str, Learner]:
    """Load each checkpoint in a run's folder of checkpoints, the earliest first.

    Lightning's ``ModelCheckpoint(save_top_k=-1)`` keeps one after every epoch. The epoch is that of the step, as a
    fraction of the run's steps; of two checkpoints of one step, such as the last, one is loaded.

    Args:
        run: Run folder of a finished run.
        allow: Packages or classes, besides those of this package, that its configuration may name.

    Returns:
        The models by name, ``epoch 12`` and so on.

    Raises:
        InputError: If the run is not finished, kept fewer than two checkpoints, or the weights do not fit.
    """
    require_not_training(run)
    record = runs.read_record(run)
    files: dict[int, Path] = {}
    for path in sorted((Path(run) / CHECKPOINT).parent.glob("*.ckpt")):
        step = read_checkpoint(path).get("global_step")
        require(isinstance(step, int), f"Expected a checkpoint with its global_step, got {path}. Remove the file.")
        files[step] = path  # type: ignore[index]  # it is an integer
    require(
        len(files) > 1,
        f"Expected two checkpoints or more of {run}, got {len(files)}. Train it with "
        "--trainer.callbacks+=ModelCheckpoint --trainer.callbacks.save_top_k=-1, which keeps one an epoch.",
    )
    learners = {}
    for step, path in sorted(files.items()):
        learner: Learner = runs.instantiate_from_run(run, "model", allow)
        load_weights(learner, path)
        learners[f"{EPOCH}{step * record['epochs'] / max(1, record['steps']):g}"] = learner
    return learners


def epoch_of(name: str) -> float:
    """The epoch in the name of a model.

    Example:
        >>> epoch_of("epoch 12")
        12.0
    """
    return float(name.removeprefix(EPOCH))
