"""Settings of a learner and of the loops that depend on the trainer: memory format, validation."""

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import FSDPStrategy

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner


def prepare_model(trainer: Trainer, channels_last: bool, model: Learner, data: UnlearningData) -> None:
    """Choose the memory format of a learner, and turn validation off without held-out images.

    Args:
        trainer: The trainer.
        channels_last: Whether to use the channels-last memory format; ignored with fsdp.
        model: The learner.
        data: The data, split.
    """
    if len(data.positions("validation")) == 0:
        trainer.limit_val_batches = 0
    if channels_last and not isinstance(trainer.strategy, FSDPStrategy):
        model.to(memory_format=torch.channels_last)
