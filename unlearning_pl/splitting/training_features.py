"""Feature vectors of the training images, and a model's training loss on each.

Letters: B rows of a batch, N training images, D dimensions.
"""

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule
from torch import Tensor
from typing_extensions import override

from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.audits.sample_losses import per_sample_losses
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.loaders import PositionLoader, Rows
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.errors import require
from unlearning_pl.functional.duplicates import thumbnails
from unlearning_pl.learners import Learner
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT
from unlearning_pl.types import Sample


class TrainingFeatures(NamedTuple):
    """Feature vectors and losses of the training images, sorted by row.

    Attributes:
        rows: Rows of the training images, ``(N,)`` int64, sorted.
        vectors: A model's features of the clean images, or :func:`~unlearning_pl.functional.duplicates.thumbnails`,
            ``(N, D)``.
        losses: The model's training loss on each image, ``(N,)``; empty without a model.
    """

    rows: Tensor
    vectors: Tensor
    losses: Tensor

    def at(self, rows: Tensor) -> "TrainingFeatures":
        """Select rows, all of which must be among ``self.rows``."""
        indices = torch.searchsorted(self.rows, rows)
        return TrainingFeatures(rows, self.vectors[indices], self.losses[indices] if len(self.losses) else self.losses)


class _FeatureExtractor(LightningModule):
    def __init__(self, data: UnlearningData, learner: Learner | None) -> None:
        super().__init__()
        self.learner, self.data = learner, data

    @override
    def predict_dataloader(self) -> PositionLoader:
        reads = InputSpec.of(self.learner)
        views = 0 if self.learner is None or reads.views == 1 else reads.views
        positions = self.data.positions("train")
        plan = SamplePlan.embedding(reads, views, seed=0)
        rows, pin = even_batches(len(positions), self.data.eval_batch_size), self.device.type == "cuda"
        return self.data.loader(positions, plan, rows, pin=pin)

    @override
    def on_after_batch_transfer(self, batch: Rows, dataloader_idx: int) -> Sample:
        return self.data.sample(batch)

    @override
    def predict_step(self, batch: Sample, batch_idx: int) -> tuple[Tensor, ...]:
        if self.learner is None:
            return batch.index.cpu(), thumbnails(batch.views[0]).cpu(), torch.empty(0)
        vectors, losses = self.learner.features(batch.views[0]), per_sample_losses(self.learner, batch)
        return batch.index.cpu(), vectors.float().cpu(), losses.float().cpu()


def extract_features(data: UnlearningData, learner: Learner | None = None) -> TrainingFeatures:
    """Extract features and losses of all training images.

    A learner's loss is that of the clean image if it needs one view, else that of augmented views, which depend on seed
    0 and the batch of the image. A contrastive loss also depends on the other images of the batch and on their number:
    batches have almost the same size, see :func:`even_batches`. The result is deterministic.

    Args:
        data: The data, with their split.
        learner: The model; without one the vectors are thumbnails of the pixels.

    Raises:
        InputError: If a feature is not finite, or a loss is NaN.
    """
    trainer = UnlearningTrainer(devices=1, callbacks=ProgressLog("Features"), **SILENT)
    with nullcontext() if learner is None else fused_batch_norm(learner):
        batches: Any = trainer.predict(_FeatureExtractor(data, learner))
    features = TrainingFeatures(*(torch.cat(column) for column in zip(*batches, strict=True)))
    require(
        bool(features.vectors.isfinite().all()) and not bool(features.losses.isnan().any()),
        "Expected finite features and losses other than NaN, got NaN or infinity. Give another --original.",
    )
    return features


def even_batches(images: int, most: int) -> int:
    """Batch size between half of ``most`` and ``most`` with the fullest last batch.

    A small last batch would have few negatives, and therefore the lowest contrastive losses.

    Example:
        >>> even_batches(54, 24)  # three batches of 18, in place of 24, 24 and 6
        18
    """
    if images <= most:
        return most
    return min(range(most, (most - 1) // 2, -1), key=lambda size: -images % size / size)
