"""The training images as vectors, and what a model's training loss is on each.

Letters: B rows of a batch, N training images, D dimensions.
"""

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, seed_everything
from torch import Tensor
from typing_extensions import override

from unlearning_pl.audits.extract import own_losses
from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.duplicates import thumbnails
from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import QUIET
from unlearning_pl.types import Pixels, Sample


class TrainingFeatures(NamedTuple):
    """What is seen of the training images, in the order of their rows.

    Attributes:
        rows: Rows of the training images, ``(N,)`` int64, sorted.
        vectors: A model's features of the clean images, or :func:`~unlearning_pl.functional.duplicates.thumbnails`,
            ``(N, D)``.
        losses: The model's training loss of each, ``(N,)``; none where no model looks.
    """

    rows: Tensor
    vectors: Tensor
    losses: Tensor

    def at(self, rows: Tensor) -> "TrainingFeatures":
        """Those of some rows, all of them among these."""
        found = torch.searchsorted(self.rows, rows)
        return TrainingFeatures(rows, self.vectors[found], self.losses[found] if len(self.losses) else self.losses)


class _Looking(LightningModule):
    def __init__(self, learner: Learner | None) -> None:
        super().__init__()
        self.learner = learner
        # what the data module asks the module that it feeds
        self.context_length: int | None = getattr(learner, "context_length", None)
        self.pixels: Pixels | None = getattr(learner, "pixels", None)

    @override
    def predict_step(self, batch: Sample, batch_idx: int) -> tuple[Tensor, ...]:
        if self.learner is None:
            return batch.index.cpu(), thumbnails(batch.views[0]).cpu(), torch.empty(0)
        vectors, losses = self.learner.features(batch.views[0]), own_losses(self.learner, batch)
        return batch.index.cpu(), vectors.float().cpu(), losses.float().cpu()


def extract_features(data: UnlearningData, learner: Learner | None = None) -> TrainingFeatures:
    """Look at all images that are trained on.

    A learner's loss is of the clean image where it needs one view, else of augmented views, which follow from a seed of
    0 and the image's batch; a contrastive one also depends on the other images of that batch, and on how many they
    are: batches are of one size, see :func:`even_batches`. It repeats exactly.

    Args:
        data: The data, with their split.
        learner: The model; without one the images' pixels speak for themselves.

    Raises:
        InputError: If the model says what is not finite.
    """
    seed_everything(0, verbose=False)
    views = 0 if learner is None or learner.num_views == 1 else learner.num_views
    given, data.batch_size = data.batch_size, even_batches(len(data.positions("train")), data.batch_size)
    data.set_predict_splits(("train",), views)
    trainer = UnlearningTrainer(devices=1, **QUIET)
    try:
        with nullcontext() if learner is None else fused_batch_norm(learner):
            batches: Any = trainer.predict(_Looking(learner), datamodule=data)
    finally:
        data.set_predict_splits(None, 0)
        data.batch_size = given
    looks = TrainingFeatures(*(torch.cat(column) for column in zip(*batches, strict=True)))
    require(
        bool(looks.vectors.isfinite().all()) and not bool(looks.losses.isnan().any()),
        "Expected a model whose features and losses are numbers, got NaN or infinity. Give another --original.",
    )
    return looks


def even_batches(images: int, most: int) -> int:
    """Images a batch, from half of ``most`` up to it, so that the last one is as full as can be.

    A last batch of few would have few negatives, and the lowest contrastive losses for that alone.

    Example:
        >>> even_batches(54, 24)  # three batches of 18, in place of 24, 24 and 6
        18
    """
    if images <= most:
        return most
    return min(range(most, (most - 1) // 2, -1), key=lambda size: -images % size / size)
