"""What SimCLR, MoCo and BYOL share: the outputs are pairs.

Letters: B rows of a batch, W processes, E width of the embeddings, A directions of a symmetric loss.
"""

import copy

import torch
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.distributed.collectives import gather
from unlearning_pl.functional.contrastive_losses import negative_cosine, similarities
from unlearning_pl.functional.permutations import derangement
from unlearning_pl.learners.learner import Learner
from unlearning_pl.types import Sample

Pair = tuple[Tensor, Tensor]  # anchor and positive, each (B, E) or (A, B, E)


class ContrastiveLearner(Learner):
    """A learner that draws two views of an image together.

    ``outputs`` is an (anchor, positive) pair. A subclass sets ``projection_head`` and ``temperature``.
    """

    projection_head: nn.Module
    temperature: float

    @override
    def project(self, features: Tensor) -> Tensor:
        embedding: Tensor = self.projection_head(features)
        return embedding

    @override
    def logits(self, outputs: Pair) -> Tensor:
        """Similarities of each anchor to the positives of all processes, over the temperature; ``(B, W B)``."""
        anchor, positive = outputs
        logits = similarities(anchor, gather(positive)) / self.temperature
        return logits if logits.dim() == 2 else logits.mean(0)

    @override
    def corrupt_targets(self, sample: Sample) -> Sample:
        """Give each image the second view of another one."""
        first, second, *rest = sample.views
        partner = derangement(len(second), second.device)
        return sample._replace(views=(first, second[partner], *rest))

    @override
    def swap_positives(self, outputs: Pair, sample: Sample, partner: Tensor) -> tuple[Pair, Sample]:
        anchor, positive = outputs
        return (anchor, positive.index_select(-2, partner)), sample

    @override
    def alignment(self, outputs: Pair, sample: Sample) -> Tensor:
        cosine = -negative_cosine(*outputs)
        return cosine if cosine.dim() == 1 else cosine.mean(0)

    def begins_step(self, batch_idx: int) -> bool:
        """Whether a step of the optimiser begins with this batch: gradients may be accumulated over several."""
        return batch_idx == 0 or batch_idx % self.trainer.accumulate_grad_batches == 0


class MomentumEncoder(nn.Module):
    """A slow copy of an encoder and its head, moved by an exponential average and never by a gradient.

    Args:
        backbone: Online encoder, copied.
        projection_head: Online head, copied.
    """

    def __init__(self, backbone: nn.Module, projection_head: nn.Module) -> None:
        super().__init__()
        self.backbone = copy.deepcopy(backbone)
        self.projection_head = copy.deepcopy(projection_head)
        deactivate_requires_grad(self)

    def ema_update(self, backbone: nn.Module, projection_head: nn.Module, momentum: float) -> None:
        """Move towards the online network, and keep ``momentum`` of its own weights; once a step."""
        update_momentum(backbone, self.backbone, momentum)
        update_momentum(projection_head, self.projection_head, momentum)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` of images, without a gradient."""
        embedding: Tensor = self.projection_head(self.backbone(x))
        return embedding
