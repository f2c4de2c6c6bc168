"""MoCo.

Letters: B rows of a batch, E width of the embeddings.
"""

from collections.abc import Iterator
from typing import Any

import torch
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle
from torch import Tensor
from typing_extensions import override

from unlearning_pl.distributed.collectives import world_size
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import queue_nce
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.contrastive_learner import ContrastiveLearner, Pair
from unlearning_pl.learners.key_queue import KeyQueue
from unlearning_pl.learners.momentum_encoder import MomentumEncoder
from unlearning_pl.learners.projection_heads import HeadKind, build_projection_head
from unlearning_pl.learners.split_batch_norm import split_batch_norms
from unlearning_pl.types import Batch, Sample


class MoCo(ContrastiveLearner):
    """MoCo (momentum contrast): contrast a query with its key and a queue of earlier keys of a momentum encoder.

    He et al., CVPR 2020, arXiv 1911.05722, with the head of version 2 (arXiv 2003.04297), which is lightly's.
    Each process computes batch statistics of its own. ``shuffle`` computes those of a key over other rows than those of
    its query, as the paper does: otherwise a process can identify a pair by its statistics. ``bn_splits`` does the
    same with fewer processes: each of so many groups of rows has statistics of its own. Defaults follow the authors of
    alignment calibration (arXiv 2406.03603): temperature 0.1, momentum 0.99, a queue of 4096. Three more of their
    settings are options: ``bn_splits=8, shuffle=True, projection_head="linear"``. Unlearning starts with a queue of
    retained images, and enqueues keys of no others.

    Args:
        backbone: Encoder: resnet9_slim, resnet18, resnet34, resnet50, vgg16_bn, vit_tiny, torchvision/NAME, timm/NAME,
            solo-learn/NAME, lightly/NAME or cifar/NAME.
        temperature: Softmax temperature, positive.
        momentum: EMA coefficient: the fraction of its weights that the key encoder keeps at each step, in [0, 1].
        queue_size: Number of keys in the queue of negatives, over all processes.
        projection_dim: Width of the embedding.
        shuffle: Whether to shuffle rows, across processes, for the key encoder's batch statistics; no effect in a
            single process without ``bn_splits``.
        projection_head: Kind of projection head, see
            :func:`~unlearning_pl.learners.projection_heads.build_projection_head`.
        hidden_dim: Width of the hidden layer of the head; that of the features by default.
        bn_splits: Number of groups of rows, over all processes, with batch statistics of their own, in both encoders
            (:class:`~unlearning_pl.learners.split_batch_norm.SplitBatchNorm`); a multiple of the number of processes.
            With 1, each process is a group.

    Raises:
        InputError: If a number is out of its range, the backbone does not exist, or one without batch normalisation is
            to be split.
    """

    optional_weights = ("queue.keys",)
    supports_fsdp = False  # FSDP shards the momentum encoder unlike the online encoder
    forget_mask: Tensor | None = None
    """During unlearning, mask of the images to forget or held out among all images, ``(N,)`` bool."""

    def __init__(
        self,
        backbone: str = "resnet18",
        temperature: float = 0.1,
        momentum: float = 0.99,
        queue_size: int = 4096,
        projection_dim: int = 128,
        shuffle: bool = False,
        projection_head: HeadKind = "lightly",
        hidden_dim: int | None = None,
        bn_splits: int = 1,
    ) -> None:
        super().__init__(*build_backbone(backbone))
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. Papers use 0.07 to 0.2.")
        require(0 <= momentum <= 1, f"Expected momentum in [0, 1], got {momentum}. Papers use 0.99 or 0.999.")
        require(queue_size > 0, f"Expected queue_size > 0, got {queue_size}. Papers use 4096 or more.")
        self.save_hyperparameters()
        self.temperature, self.momentum, self.shuffle, self.bn_splits = temperature, momentum, shuffle, bn_splits
        self.projection_head = build_projection_head(
            projection_head, MoCoProjectionHead, self.feature_dim, hidden_dim, projection_dim
        )
        has_norm = split_batch_norms(self.backbone, bn_splits) + split_batch_norms(self.projection_head, bn_splits) > 0
        require(
            bn_splits == 1 or has_norm,
            f"Expected bn_splits = 1 with {backbone}, which has no batch normalisation, got {bn_splits}. Leave it out.",
        )
        self.key_encoder = MomentumEncoder(self.backbone, self.projection_head)
        self.queue = KeyQueue(queue_size, projection_dim)
        self._keys: list[tuple[Tensor, Tensor]] = []  # of each pass of a step, with the positions of its rows

    @override
    def outputs(self, sample: Sample) -> Pair:
        return self.embed(sample.views[0]), self._positive_keys(sample, sample.views[1])

    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Pair, Pair]:
        """Outputs, and those of the last rows with the keys of ``others``: one pass of each encoder.

        The keys of ``others`` are compared, and not enqueued: the queue takes in one key of each row of a step.
        """
        rows, last = len(sample.index), len(others.index)
        query = self.embed(sample.views[0])
        keys = self._positive_keys(sample, torch.cat([sample.views[1], others.views[1]]))
        key, other = torch.split(keys, [rows, last])
        return (query, key), (query[rows - last :], other)

    def _positive_keys(self, sample: Sample, views: Tensor) -> Tensor:
        """Keys of views, the first of which are the positives of a sample's rows, for the queue."""
        keys = self._encode_keys(views)
        if self.training:  # teachers and measurements run in evaluation mode and enqueue nothing
            self._keys.append((keys[: len(sample.index)], sample.index))
        return keys

    def _encode_keys(self, view: Tensor) -> Tensor:
        """Keys ``(B, E)``; in evaluation mode, or in a single group, there are no batch statistics to shuffle."""
        across = world_size() > 1
        shuffles = self.shuffle and self.training and (across or self.bn_splits > 1)
        # Rank 0 draws the order with a seed that follows from the step: a resumed run repeats it.
        view, order = batch_shuffle(view.contiguous(), distributed=across) if shuffles else (view, None)
        key: Tensor = self.key_encoder(view)
        return key if order is None else batch_unshuffle(key, order, distributed=across)

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        return queue_nce(*outputs, self.queue.keys, self.temperature)

    @override
    def on_unlearn_start(self, retained: Iterator[Sample]) -> None:
        """Refill the queue, whose keys are of images to forget too, with keys of retained images."""
        self.queue.refill(self.key_encoder(sample.views[1]) for sample in retained)

    @override
    def on_train_start(self) -> None:
        self._keys.clear()  # keys of a step that failed

    @override
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self.begins_step(batch_idx):
            self.key_encoder.ema_update(self.backbone, self.projection_head, self.momentum)

    @override
    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        # The queue changes only after a step, so computing a loss never changes it.
        if not self._keys:  # the objective called embed alone
            return
        keys, index = (torch.cat(parts) for parts in zip(*self._keys, strict=True))
        self.queue.enqueue(keys, None if self.forget_mask is None else self.forget_mask[index])
        self._keys.clear()
