"""Relearning time: epochs of training on the forgotten images until their loss is back to the original's."""

import copy
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import SGD
from typing_extensions import override

from unlearning_pl.audits.sample_losses import per_sample_losses
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan, TrainingPlan
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import DivergedError
from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import evaluation_mode
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT
from unlearning_pl.types import Sample


class StopWhenRelearned(Callback):
    """Feed the forgotten images, and stop when their loss is back to the original's, on the same views.

    Args:
        original: The model before unlearning.
        data: The data.
    """

    def __init__(self, original: Learner, data: UnlearningData) -> None:
        self.original, self.data = original, data
        self.batches: list[Sample] = []
        self.target = 0.0
        self.epochs: int | None = None

    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        """The forgotten images as the only stream."""
        return plan.feed(lambda epoch: ("forgotten",))

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.batches = fixed_batches(self.data, self.original, pl_module.device)
        self.target = eval_loss(self.original.to(pl_module.device), self.batches)
        self._stop_if_relearned(trainer, pl_module, 0)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop_if_relearned(trainer, pl_module, trainer.current_epoch + 1)

    def _stop_if_relearned(self, trainer: Trainer, learner: LightningModule, epochs: int) -> None:
        assert isinstance(learner, Learner)
        if self.epochs is None and eval_loss(learner, self.batches) <= self.target:
            self.epochs = epochs
            trainer.should_stop = True


def fixed_batches(data: UnlearningData, learner: Learner, device: torch.device) -> list[Sample]:
    """Batches of the forgotten images, clean and augmented; the views are the same for every model and every call."""
    reads = InputSpec.of(learner)
    plan = SamplePlan.embedding(reads, reads.views, seed=0)
    return list(data.samples(("forgotten",), plan, device)["forgotten"])


def eval_loss(learner: Learner, batches: Sequence[Sample]) -> float:
    """Mean per-sample loss in evaluation mode."""
    with evaluation_mode(learner), torch.no_grad():
        losses = torch.cat([per_sample_losses(learner, batch) for batch in batches])
    return losses.double().mean().item()


def relearning_epochs(
    learner: Learner, original: Learner, data: UnlearningData, limit: int = 10, **options: Any
) -> int | None:
    """Epochs of training on the forgotten images alone until their loss is back to the original's.

    A model that has only hidden the images needs few epochs; the retrained model shows how many to expect of a model
    that never saw them. Training uses SGD with a constant learning rate of 0.01 and momentum 0.9, the plain loss and
    the data's batch size; it trains a copy of the model.

    Args:
        learner: The model.
        original: The model before unlearning.
        data: The data, with a forget set.
        limit: Maximum number of epochs, at least 1.
        options: Options of the trainer.

    Returns:
        The number of epochs: 0 if the loss is not above the original's at the start, None if it is not back within
        ``limit``.
    """
    stopper = StopWhenRelearned(original, data)
    try:
        train_copy(learner, data, stopper, limit, **options)
    except DivergedError:  # a diverged model did not relearn them
        return None
    return stopper.epochs


def train_copy(learner: Learner, data: UnlearningData, callback: Callback, epochs: int, **options: Any) -> None:
    """Train a copy of a model by the plain loss on what a callback feeds: SGD, rate 0.01, momentum 0.9, seed 0.

    Args:
        learner: The model, which stays as it is.
        data: The data.
        callback: Feeds the streams and looks at the copy.
        epochs: Number of epochs, at least 1.
        options: Options of the trainer.

    Raises:
        DivergedError: If a loss or a weight is not finite.
    """
    student = copy.deepcopy(learner)
    student.optimize_with(partial(SGD, lr=0.01, momentum=0.9))
    trainer = UnlearningTrainer(
        max_epochs=epochs, callbacks=[callback, ProgressLog("Relearning")], limit_val_batches=0, **alone(options)
    )
    with single_process():
        trainer.fit(student, datamodule=data)


def alone(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a silent trainer of one process with seed 0, within the processes that launched an audit."""
    own = [LightningEnvironment()]  # not the environment that launched the audit's processes
    return {"devices": 1, "seed": 0, "plugins": own, **SILENT, **options}
