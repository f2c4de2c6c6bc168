"""What a learner starts from, and its settings that depend on the trainer: memory format, validation."""

from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import FSDPStrategy

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.training.checkpoint_files import weights_digest
from unlearning_pl.training.checks import check_not_replaced
from unlearning_pl.training.weights import find_weights, load_weights


def load_initial_weights(run: Path | None, model: Learner, weights: str, resumed: bool) -> dict[str, str]:
    """Load the weights that a run starts from, unless it is resumed, and return what its record says of them.

    Raises:
        InputError: If there are no such weights, they do not fit, or the run would replace the run that they are from.
    """
    path = find_weights(model, weights)
    check_not_replaced(run, path)
    if not resumed:
        load_weights(model, weights, new_head=True)
    return {"weights": weights, "weights_sha256": weights_digest(path)}


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
