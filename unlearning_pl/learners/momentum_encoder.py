"""The momentum encoder of MoCo and BYOL.

Letters: B rows of a batch, E width of the embeddings.
"""

import copy

import torch
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn

from unlearning_pl.deprecated.old_attributes import RenamedAttributes


class MomentumEncoder(RenamedAttributes, nn.Module):
    """Momentum encoder: an exponential moving average (EMA) of an encoder and its head, without gradients.

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
        """Update the weights to ``momentum`` of their value plus the rest of the online network's; once per step."""
        update_momentum(backbone, self.backbone, momentum)
        update_momentum(projection_head, self.projection_head, momentum)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Embeddings ``(B, E)`` of images, without a gradient."""
        embedding: Tensor = self.projection_head(self.backbone(x))
        return embedding
