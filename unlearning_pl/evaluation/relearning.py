"""How soon a model that is trained on what it forgot knows it again."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import SGD
from typing_extensions import override

from unlearning_pl.audits.extract import own_losses
from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import DivergedError
from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import evaluation_mode
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import QUIET
from unlearning_pl.types import Sample


class StopWhenRelearned(Callback):
    """Ends training when the loss of the forgotten images is back to the original's, on the same views.

    Args:
        original: The model before unlearning.
        data: The data.
    """

    def __init__(self, original: Learner, data: UnlearningData) -> None:
        self.original, self.data = original, data
        self.batches: list[Sample] = []
        self.target = 0.0
        self.epochs: int | None = None

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.batches = fixed_batches(self.data, self.original.num_views, pl_module.device)
        self.target = eval_loss(self.original.to(pl_module.device), self.batches)
        self._look(trainer, pl_module, 0)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer, pl_module, trainer.current_epoch + 1)

    def _look(self, trainer: Trainer, learner: LightningModule, epochs: int) -> None:
        assert isinstance(learner, Learner)
        if self.epochs is None and eval_loss(learner, self.batches) <= self.target:
            self.epochs = epochs
            trainer.should_stop = True


def fixed_batches(data: UnlearningData, views: int, device: torch.device) -> list[Sample]:
    """The forgotten images, clean and in augmented views that are the same for every model and at every call."""
    positions = data.positions("forgotten")
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        starts = range(0, len(positions), data.batch_size)
        return [data.eval_samples(positions[start : start + data.batch_size].to(device), views) for start in starts]


def eval_loss(learner: Learner, batches: Sequence[Sample]) -> float:
    """Mean loss of an image in evaluation mode."""
    with evaluation_mode(learner), torch.no_grad():
        losses = torch.cat([own_losses(learner, batch) for batch in batches])
    return losses.double().mean().item()


def relearning_epochs(
    learner: Learner, original: Learner, data: UnlearningData, limit: int = 10, **options: Any
) -> int | None:
    """Epochs of training on the forgotten images alone until their loss is back to the original's.

    A model that had only hidden them is back in few epochs; the retrained one says what is to be expected of a model
    that never saw them. Training is SGD with a constant rate of 0.01 and momentum 0.9, plain loss, the data's batch
    size; the model given is not changed.

    Args:
        learner: The model.
        original: The model before unlearning.
        data: The data, with a forget set.
        limit: Most epochs, at least 1.
        options: Of the trainer.

    Returns:
        0 where the loss has not risen at all; None where it is not back within ``limit``.
    """
    student = copy.deepcopy(learner)
    student.optimize_with(partial(SGD, lr=0.01, momentum=0.9))
    known = StopWhenRelearned(original, data)
    trainer = UnlearningTrainer(
        max_epochs=limit,
        callbacks=[known],
        devices=1,
        limit_val_batches=0,
        plugins=[LightningEnvironment()],  # whoever launched the processes of the audit
        **QUIET,
        **options,
    )
    data.feed(lambda _: ("forgotten",))
    try:
        with single_process():
            trainer.fit(student, datamodule=data)
    except DivergedError:  # it certainly does not know them then
        return None
    finally:
        data.feed(None)
    return known.epochs
