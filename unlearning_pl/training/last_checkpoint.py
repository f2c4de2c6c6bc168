"""When the checkpoint of a run is written, and how a run ends that is asked to."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from typing_extensions import override

from unlearning_pl.distributed.collectives import async_all_reduce_max, cpu_group, world_size
from unlearning_pl.distributed.launchers import requeue_slurm_job
from unlearning_pl.errors import PreemptedError
from unlearning_pl.training.checkpoints import CHECKPOINT, ORIGINAL, check_readable
from unlearning_pl.training.runs import RECORD

NOTHING, SAVE = 0, 1
"""What a process may ask for; any larger number is that of the signal which asks it to end."""


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
        self.path, self.minutes = run / CHECKPOINT, minutes
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


def _nobody() -> int:
    return NOTHING
