"""The checkpoints of a run: when and how they are written, and which one a run goes on from."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from typing_extensions import override

from unlearning_pl.distributed.collectives import async_all_reduce_max, cpu_group, world_size
from unlearning_pl.distributed.launchers import requeue_slurm_job
from unlearning_pl.errors import PreemptedError, StorageError, require
from unlearning_pl.io import atomic_write
from unlearning_pl.training.runs import MANIFEST, RECORD
from unlearning_pl.training.weights import WEIGHTS, check_readable, checkpoint_path

NOTHING, SAVE = 0, 1
"""What a process may ask for; any larger number is that of the signal which asks it to end."""


ORIGINAL = "original_sha256"
"""What a record, and a checkpoint, calls the digest of the original that a run began as."""


class LastCheckpoint(Checkpoint):
    """Keeps the state of a run as checkpoints/last.ckpt: after each epoch, every few minutes, and when it ends.

    A run ends early when SIGTERM or SIGUSR1 comes to any of its processes: all agree on a step, save what it left, and
    raise. After SIGUSR1, which SLURM can send before the time is up, the job is requeued. What the processes say of it
    travels while a step runs, and is looked at before the next.

    Args:
        run: The run folder.
        minutes: Time between two checkpoints; 0 keeps one after every step.
    """

    def __init__(self, run: Path, minutes: float) -> None:
        self.path, self.minutes = run / WEIGHTS, minutes
        self._asked: Callable[[], int] = _nobody
        self._wanted, self._mine = NOTHING, False
        self._step, self._time = 0, 0.0  # of the last checkpoint
        self._begun = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._asked, self._wanted = _nobody, NOTHING
        self._begun = self._step = trainer.global_step
        self._time = time.monotonic()
        if world_size() > 1:
            cpu_group(getattr(trainer.strategy, "_timeout", None))

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        # Here the step before is over; at its end the model's own hook is still to come.
        self._wanted = max(self._wanted, self._ask(trainer))
        if self._wanted == NOTHING or batch_idx % trainer.accumulate_grad_batches:
            return  # gradients that were accumulated so far are in no checkpoint
        again = self._wanted == getattr(signal, "SIGUSR1", None)
        if again and trainer.global_step == self._begun:
            return  # a step first: a start as long as the time would be repeated for ever
        if trainer.global_step > self._step:
            learner: Any = pl_module
            learner.check_finite()
            self._save(trainer)
        if self._wanted != SAVE:
            outcome = requeue_slurm_job() if again and trainer.is_global_zero else ""
            async_all_reduce_max(NOTHING)()  # a process that leaves earlier could have SLURM end the one that asks
            raise PreemptedError(self._wanted, outcome)
        self._wanted = NOTHING

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save(trainer)  # after the model's own check for numbers: Lightning calls a Checkpoint last

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._asked()  # nobody leaves while another still asks
        self._save(trainer)  # a run need not end with an epoch

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[ORIGINAL] = getattr(trainer, "provenance", {}).get(ORIGINAL)
        if self._mine:
            if self._step == self._begun:  # once
                check_readable(checkpoint["callbacks"])
            normalize_loop_progress(checkpoint["loops"]["fit_loop"], trainer.num_training_batches)

    def _save(self, trainer: Trainer) -> None:
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            if trainer.is_global_zero:
                (self.path.parents[1] / RECORD).unlink(missing_ok=True)  # until the run is finished again
            self._mine = True
            trainer.save_checkpoint(self.path, weights_only=False)
            self._mine = False
        self._step, self._time = trainer.global_step, time.monotonic()

    def _ask(self, trainer: Trainer) -> int:
        """What any process asked for a step ago; in a single process, what it asks for now."""
        due = trainer.is_global_zero and time.monotonic() - self._time >= 60 * self.minutes
        if due:  # and once: the answer comes a step later, when the next question is on its way
            self._time = time.monotonic()
        mine = max(trainer._signal_connector.asked, SAVE if due else NOTHING)  # type: ignore[attr-defined]
        before, self._asked = self._asked, async_all_reduce_max(mine)
        return mine if world_size() == 1 else before()


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint whole or not at all: into a file beside it, which then takes its place.

    Lightning's own goes by way of the system's temporary folder, which may be small or of another file system.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        path = Path(path)
        run = path.parent.parent
        if path == run / WEIGHTS and not (run / MANIFEST).exists():
            raise StorageError(
                f"Expected the run folder {run} to stay, but it is gone. Train again, into another --run."
            )
        try:
            for half in path.parent.glob(f".{path.name}.*"):  # of a process that was killed while it wrote
                half.unlink()
            with atomic_write(path) as file:
                torch.save(checkpoint, file)
        except (OSError, RuntimeError) as error:  # torch has words of its own for a disk that is full
            raise StorageError(
                f"Expected to write {path}, got: {_reason(error)}. The checkpoint before it is kept; make room and go "
                "on with --ckpt_path auto."
            ) from error


def normalize_loop_progress(loops: dict[str, Any], batches: float) -> None:
    """Have the progress of Lightning's loops say what is done, and nothing of what is not, whichever hook it is from.

    By itself it counts a batch that is there and not begun as fetched, and perhaps as the epoch's last; an epoch that
    ``max_steps`` ended counts as whole, and a whole one as not completed, so that with ``max_steps`` a resumed run
    would leave an epoch out.

    Args:
        loops: What a checkpoint has of the fit loop; it is changed.
        batches: Batches of an epoch.

    Example:
        >>> before = {"ready": 5, "started": 4, "processed": 4, "completed": 4}
        >>> batch = {"total": {**before}, "current": {**before}, "is_last_batch": True}
        >>> epoch = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        >>> loops = {"epoch_loop.batch_progress": batch, "epoch_progress": {"total": epoch, "current": epoch}}
        >>> normalize_loop_progress(loops, 5)
        >>> batch["current"]["ready"], batch["is_last_batch"], epoch["processed"]
        (4, False, 0)
    """
    batch, epoch = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    whole = batch["current"]["completed"] >= batches
    for count in (batch["total"], batch["current"]):
        count["ready"] = count["started"] = count["processed"] = count["completed"]
    for count in (epoch["total"], epoch["current"]):
        count["processed"] = count["completed"] = max(0, count["ready"] - (not whole))
    if whole:
        batch["current"] = dict.fromkeys(batch["current"], 0)
    batch["is_last_batch"] = False


def resume_point(run: Path | None, ckpt_path: str | Path | None) -> Path | None:
    """The checkpoint that a command goes on from.

    Args:
        run: The run folder.
        ckpt_path: A checkpoint; ``last`` for the run folder's own; ``auto`` for the same if there is one.

    Returns:
        None where the run begins.

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
    """Whether there is nothing left to do for a command with ``auto``.

    Args:
        run: The run folder.
        overwrite: Whether the command is also told to begin again.

    Raises:
        InputError: If it is: a command that can be repeated would never do so.

    Example:
        >>> is_finished(Path("nowhere"), overwrite=False)
        False
    """
    require(
        not overwrite,
        "Expected overwrite, which begins again, or ckpt_path = auto, which goes on, got both. Choose one of them.",
    )
    return run is not None and (run / RECORD).exists()


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder has a checkpoint of any name.

    Example:
        >>> has_checkpoint(Path("nowhere"))
        False
    """
    return any((run / WEIGHTS).parent.glob("*.ckpt"))


def _nobody() -> int:
    return NOTHING


def _reason(error: BaseException) -> str:
    first: BaseException | None = error
    while first is not None and not isinstance(first, OSError):
        first = first.__context__
    return (first.strerror if isinstance(first, OSError) else None) or str(error).splitlines()[0]
