"""The momentum encoder of MoCo and BYOL.

Letters: B rows of a batch, E width of the embeddings.
"""

import copy

import torch
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn


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
