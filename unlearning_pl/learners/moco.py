"""MoCo.

Letters: B rows of a batch, E width of the embeddings, Q length of the queue.
"""

from typing import Any

import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from lightly.models.modules.memory_bank import MemoryBankModule
from lightly.models.utils import update_momentum
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.learners.contrastive import ContrastiveLearner, MomentumEncoder, Pair
from unlearning_pl.sample import Batch, Sample


class Queue(MemoryBankModule):  # type: ignore[misc]
    """Keys of the last batches, the same on every process and part of the checkpoint.

    lightly's bank takes in keys whenever a loss is computed and forgets them with the process. Here a loss only
    offers its keys, and a finished training step enqueues them: measuring a model leaves the queue alone, and a
    resumed run goes on with its own negatives.

    Args:
        size: Length of the queue.
        dim: Width of a key.
    """

    def __init__(self, size: int, dim: int) -> None:
        super().__init__((size, dim), gather_distributed=True)
        self.register_buffer("bank", self.bank, persistent=True)
        self.register_buffer("bank_ptr", self.bank_ptr, persistent=True)
        self._offered: Tensor | None = None

    @override
    def forward(self, output: Tensor, labels: Tensor | None = None, update: bool = False) -> tuple[Tensor, Tensor]:
        if update:
            self._offered = output.detach()
        return output, self.bank.clone().T

    def enqueue(self) -> None:
        """Take in the keys of the step that has just ended, in place of the oldest ones."""
        if self._offered is not None:
            self._dequeue_and_enqueue(self._offered)
        self._offered = None


class MoCo(ContrastiveLearner):
    """Momentum contrast: a query against its key and a queue of earlier keys from a slowly moving encoder.

    He et al., CVPR 2020, arXiv 1911.05722, with the head of version 2 (arXiv 2003.04297). Head and loss are
    lightly's. Defaults follow the authors of alignment calibration (arXiv 2406.03603): temperature 0.1, momentum 0.99,
    a queue of 4096.

    Args:
        backbone: Name of the encoder.
        temperature: Softmax temperature, positive.
        momentum: Share of its old weights that the key encoder keeps at each step, in [0, 1].
        queue_size: Number of keys kept as negatives; best a multiple of the batch size.
        projection_dim: Width of the embedding.

    Raises:
        InputError: If a number is out of its range or the backbone does not exist.
    """

    def __init__(
        self,
        backbone: str = "resnet18",
        temperature: float = 0.1,
        momentum: float = 0.99,
        queue_size: int = 4096,
        projection_dim: int = 128,
    ) -> None:
        super().__init__(backbone)
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. Papers use 0.07 to 0.2.")
        require(0 <= momentum <= 1, f"Expected momentum in [0, 1], got {momentum}. Papers use 0.99 or 0.999.")
        require(queue_size > 0, f"Expected queue_size > 0, got {queue_size}. Papers use 4096 or more.")
        self.save_hyperparameters()
        self.temperature, self.momentum = temperature, momentum
        self.projection_head = MoCoProjectionHead(self.feature_dim, self.feature_dim, projection_dim)
        self.key_encoder = MomentumEncoder(self.backbone, self.projection_head)
        self.criterion = NTXentLoss(temperature)
        self.criterion.memory_bank = Queue(queue_size, projection_dim)
        self.criterion.cross_entropy = nn.CrossEntropyLoss(reduction="none")

    @override
    def outputs(self, sample: Sample) -> Pair:
        return self.embed(sample.views[0]), self.key_encoder(sample.views[1])

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        losses: Tensor = self.criterion(*outputs)
        return losses

    @override
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        update_momentum(self.backbone, self.key_encoder.backbone, self.momentum)
        update_momentum(self.projection_head, self.key_encoder.projection_head, self.momentum)

    @override
    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        self.criterion.memory_bank.enqueue()
