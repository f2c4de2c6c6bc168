"""Callback that writes the checkpoint of a run, and ends the run when a signal asks for it."""

import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.seeds import given_seed
from unlearning_pl.distributed.collectives import async_all_reduce_max, cpu_group, world_size
from unlearning_pl.distributed.slurm import requeue_slurm_job
from unlearning_pl.errors import PreemptedError
from unlearning_pl.learners import Learner
from unlearning_pl.training.background_checkpoint_io import BackgroundCheckpointIO
from unlearning_pl.training.checkpoint_files import CHECKPOINT, ORIGINAL, check_readable
from unlearning_pl.training.resume import NORMALISATION, SEED, TF32, normalisation
from unlearning_pl.training.run_lock import check_writer
from unlearning_pl.training.run_record import RECORD

NO_REQUEST, SAVE_REQUEST = 0, 1
"""Requests of a process; any larger number is the signal that asks the run to end."""
MOST_TIME = 0.05
"""Fraction of its time that a training may wait for checkpoints after epochs."""


class LastCheckpoint(Checkpoint):
    """Saves the state of a run as checkpoints/last.ckpt: after epochs, every few minutes, and at the end.

    A thread writes checkpoints while training continues, see :class:`BackgroundCheckpointIO`; the end of a run waits
    for it. After an epoch it saves unless the previous write still runs, or training waited for the last checkpoint
    more than :data:`MOST_TIME` of the time since then. The error of a write ends the run at the next step.

    A run ends early when any of its processes receives SIGTERM or SIGUSR1: all processes agree on a step, save its
    checkpoint and raise :class:`PreemptedError`. After SIGUSR1, which SLURM can send before the time limit, the job is
    requeued. The processes exchange their requests asynchronously while a step runs, and read the result before the
    next step.

    Args:
        run: The run folder.
        minutes: Time between two checkpoints; 0 saves one after every step, complete before the next one.
        writer: Writes the files. If the trainer has another ``CheckpointIO``, training waits for each checkpoint.
    """

    def __init__(self, run: Path, minutes: float, writer: BackgroundCheckpointIO) -> None:
        self.path, self.minutes, self.writer = run / CHECKPOINT, minutes, writer
        self._pending_request: Callable[[], int] = _no_request
        self._request, self._saving = NO_REQUEST, False
        self._saved_step, self._saved_time, self._seconds = 0, 0.0, 0.0
        self._first_step = 0

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pending_request, self._request = _no_request, NO_REQUEST
        self._first_step = self._saved_step = trainer.global_step
        self._saved_time, self._seconds = time.monotonic(), 0.0
        if world_size() > 1:
            cpu_group(getattr(trainer.strategy, "_timeout", None))
        check_readable({callback.state_key: callback.state_dict() for callback in trainer.callbacks})  # type: ignore[attr-defined]

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.writer.check()
        # The previous step is complete only now: callbacks' on_train_batch_end runs before the model's own.
        self._request = max(self._request, self._exchange_requests(trainer))
        if self._request == NO_REQUEST or batch_idx % trainer.accumulate_grad_batches:
            return  # a checkpoint does not contain accumulated gradients
        requeue = self._request == getattr(signal, "SIGUSR1", None)
        if requeue and trainer.global_step == self._first_step:
            return  # take one step first: if starting takes the whole time limit, the job would be requeued forever
        if trainer.global_step > self._saved_step:
            learner: Any = pl_module
            learner.check_finite()
            self._save(trainer)
        if self._request != SAVE_REQUEST:
            self.writer.wait()
            outcome = requeue_slurm_job() if requeue and trainer.is_global_zero else ""
            async_all_reduce_max(NO_REQUEST)()  # if a process exited earlier, SLURM could kill the one that requeues
            raise PreemptedError(self._request, outcome)
        self._request = NO_REQUEST

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # After the model's check for finite weights: Lightning calls Checkpoint callbacks last.
        elapsed = time.monotonic() - self._saved_time
        is_due = elapsed >= min(60 * self.minutes, self._seconds / MOST_TIME) and not self.writer.is_writing
        if async_all_reduce_max(trainer.is_global_zero and is_due)():
            self._save(trainer)

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pending_request()  # no process exits before the last exchange is complete
        self._save(trainer)  # a run may end in the middle of an epoch
        self.writer.wait()
        async_all_reduce_max(NO_REQUEST)()  # no process reads the run before its last checkpoint is written

    @override
    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[SEED], checkpoint[TF32] = given_seed(trainer), getattr(trainer, "tf32", False)
        checkpoint[ORIGINAL] = getattr(trainer, "provenance", {}).get(ORIGINAL)
        data = getattr(trainer, "datamodule", None)
        if isinstance(pl_module, Learner) and isinstance(data, UnlearningData):
            checkpoint[NORMALISATION] = normalisation(pl_module, data)
        if self._saving:
            if self._saved_step == self._first_step:  # only for the first checkpoint
                check_readable(checkpoint["callbacks"])
            normalize_loop_progress(checkpoint["loops"]["fit_loop"], trainer.num_training_batches)

    def _save(self, trainer: Trainer) -> None:
        started = time.monotonic()
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            if trainer.is_global_zero:
                check_writer(self.path.parents[1])  # before the record goes; the thread checks again when it writes
                (self.path.parents[1] / RECORD).unlink(missing_ok=True)  # the run has no record until it is finished
            self._saving = True
            try:
                with self.writer.in_background() if self.minutes > 0 else nullcontext():
                    trainer.save_checkpoint(self.path, weights_only=False)
            finally:
                self._saving = False
        self._saved_step, self._saved_time = trainer.global_step, time.monotonic()
        self._seconds = self._saved_time - started

    def _exchange_requests(self, trainer: Trainer) -> int:
        """Return the largest request of all processes one step ago; in a single process, its request now."""
        is_due = time.monotonic() - self._saved_time >= 60 * self.minutes and not self.writer.is_writing
        due = trainer.is_global_zero and is_due
        if due:  # request it once: the result arrives a step later, when the next exchange has already started
            self._saved_time = time.monotonic()
        local = max(trainer._signal_connector.received_signal, SAVE_REQUEST if due else NO_REQUEST)  # type: ignore[attr-defined]
        previous, self._pending_request = self._pending_request, async_all_reduce_max(local)
        return local if world_size() == 1 else previous()


def normalize_loop_progress(loops: dict[str, Any], batches: float) -> None:
    """Make the progress of Lightning's loops count completed batches and epochs only, whichever hook saves it.

    Lightning counts a batch that was fetched but not started as ready, and perhaps as the last of the epoch; it counts
    an epoch that ``max_steps`` ended as processed, and a complete one as not completed, so that with ``max_steps`` a
    resumed run would skip an epoch.

    Args:
        loops: State of the fit loop in a checkpoint, which is changed in place.
        batches: Batches of an epoch.

    Example:
        >>> counts = {"ready": 5, "started": 4, "processed": 4, "completed": 4}
        >>> batch = {"total": {**counts}, "current": {**counts}, "is_last_batch": True}
        >>> epoch = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
        >>> loops = {"epoch_loop.batch_progress": batch, "epoch_progress": {"total": epoch, "current": epoch}}
        >>> normalize_loop_progress(loops, 5)
        >>> batch["current"]["ready"], batch["is_last_batch"], epoch["processed"]
        (4, False, 0)
    """
    batch, epoch = loops["epoch_loop.batch_progress"], loops["epoch_progress"]
    complete = batch["current"]["completed"] >= batches
    for count in (batch["total"], batch["current"]):
        count["ready"] = count["started"] = count["processed"] = count["completed"]
    for count in (epoch["total"], epoch["current"]):
        count["processed"] = count["completed"] = max(0, count["ready"] - (not complete))
    if complete:
        batch["current"] = dict.fromkeys(batch["current"], 0)
    batch["is_last_batch"] = False


def _no_request() -> int:
    return NO_REQUEST
