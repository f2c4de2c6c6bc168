"""MoCo.

Letters: B rows of a batch, E width of the embeddings.
"""

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
from unlearning_pl.learners.key_queue import Queue
from unlearning_pl.learners.momentum_encoder import MomentumEncoder
from unlearning_pl.types import Batch, Sample


class MoCo(ContrastiveLearner):
    """Momentum contrast: a query against its key and a queue of earlier keys from a slowly moving encoder.

    He et al., CVPR 2020, arXiv 1911.05722, with the head of version 2 (arXiv 2003.04297), which is lightly's.
    Batch statistics are each process's own; ``shuffle`` gives a key those of other rows than its query, as the paper
    does, since a process otherwise tells a pair by them. Defaults follow the authors of alignment
    calibration (arXiv 2406.03603): temperature 0.1, momentum 0.99, a queue of 4096.

    Args:
        backbone: Name of the encoder.
        temperature: Softmax temperature, positive.
        momentum: Share of its old weights that the key encoder keeps at each step, in [0, 1].
        queue_size: Number of keys kept as negatives; kept over all processes.
        projection_dim: Width of the embedding.
        shuffle: Whether the rows of all processes are shuffled among them for the key encoder's batch statistics; in
            a single process there is nothing to shuffle.

    Raises:
        InputError: If a number is out of its range or the backbone does not exist.
    """

    supports_fsdp = False  # a momentum encoder's shards are not those of the online one

    def __init__(
        self,
        backbone: str = "resnet18",
        temperature: float = 0.1,
        momentum: float = 0.99,
        queue_size: int = 4096,
        projection_dim: int = 128,
        shuffle: bool = False,
    ) -> None:
        super().__init__(*build_backbone(backbone))
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. Papers use 0.07 to 0.2.")
        require(0 <= momentum <= 1, f"Expected momentum in [0, 1], got {momentum}. Papers use 0.99 or 0.999.")
        require(queue_size > 0, f"Expected queue_size > 0, got {queue_size}. Papers use 4096 or more.")
        require(projection_dim >= 1, f"Expected projection_dim >= 1, got {projection_dim}. Papers use 128 or more.")
        self.save_hyperparameters()
        self.temperature, self.momentum, self.shuffle = temperature, momentum, shuffle
        self.projection_head = MoCoProjectionHead(self.feature_dim, self.feature_dim, projection_dim)
        self.key_encoder = MomentumEncoder(self.backbone, self.projection_head)
        self.queue = Queue(queue_size, projection_dim)
        self._keys: list[Tensor] = []

    @override
    def outputs(self, sample: Sample) -> Pair:
        query, key = self.embed(sample.views[0]), self._key(sample.views[1])
        if self.training:  # neither a teacher nor what measures
            self._keys.append(key)
        return query, key

    def _key(self, view: Tensor) -> Tensor:
        """Keys ``(B, E)``; who is in evaluation mode, or alone, has no statistics to shuffle for."""
        shuffles = self.shuffle and self.training and world_size() > 1
        # The order is that of rank 0, whose draws follow from the place in the run: a resumed run repeats it.
        view, order = batch_shuffle(view.contiguous(), distributed=True) if shuffles else (view, None)
        key: Tensor = self.key_encoder(view)
        return key if order is None else batch_unshuffle(key, order, distributed=True)

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        return queue_nce(*outputs, self.queue.keys, self.temperature)

    @override
    def on_train_start(self) -> None:
        self._keys.clear()  # of a step that failed

    @override
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self.begins_step(batch_idx):
            self.key_encoder.ema_update(self.backbone, self.projection_head, self.momentum)

    @override
    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        # Keys are taken in when a step has ended, so that computing a loss never changes the queue.
        self.queue.enqueue(torch.cat(self._keys))
        self._keys.clear()
