"""BYOL.

Letters: B rows of a batch, E width of the embeddings.
"""

from typing import Literal

import torch
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead
from torch import Tensor
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import negative_cosine
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.contrastive_learner import ContrastiveLearner, Pair
from unlearning_pl.learners.feature_memory import concat_views
from unlearning_pl.learners.momentum_encoder import MomentumEncoder
from unlearning_pl.learners.projection_heads import build_projection_head
from unlearning_pl.types import Batch, Sample


class BYOL(ContrastiveLearner):
    """BYOL (bootstrap your own latent): predict a momentum encoder's embedding of the other view; no negatives.

    Grill et al., NeurIPS 2020, arXiv 2006.07733; the heads are lightly's. ``outputs`` are pairs ``(2, B, E)``, one for
    each direction of the symmetric loss; the loss of a sample is the mean of the two negative cosines, in [-1, 1].
    ``logits`` divides the similarities by ``temperature``, which the loss itself does not use.

    Args:
        backbone: Encoder: resnet9_slim, resnet18, resnet34, resnet50, vgg16_bn, vit_tiny, torchvision/NAME, timm/NAME,
            solo-learn/NAME, lightly/NAME or cifar/NAME.
        momentum: EMA coefficient: the fraction of its weights that the target encoder keeps at each step, in [0, 1].
        hidden_dim: Width of the hidden layers of both heads (4096 in the paper).
        projection_dim: Width of the embedding (256 in the paper).
        projection_head: Kind of both heads, see
            :func:`~unlearning_pl.learners.projection_heads.build_projection_head`.
        prediction_dim: Width of the hidden layer of the prediction head; ``hidden_dim`` by default.

    Raises:
        InputError: If the momentum or a width is out of range, or the backbone does not exist.
    """

    temperature = 1.0
    supports_fsdp = False  # FSDP shards the momentum encoder unlike the online encoder

    def __init__(
        self,
        backbone: str = "resnet18",
        momentum: float = 0.996,
        hidden_dim: int = 4096,
        projection_dim: int = 256,
        projection_head: Literal["lightly", "mlp", "mlp_bn"] = "lightly",
        prediction_dim: int | None = None,
    ) -> None:
        super().__init__(*build_backbone(backbone))
        require(0 <= momentum <= 1, f"Expected momentum in [0, 1], got {momentum}. The paper uses 0.996.")
        self.save_hyperparameters()
        self.momentum = momentum
        widths = (self.feature_dim, hidden_dim, projection_dim)
        self.projection_head = build_projection_head(projection_head, BYOLProjectionHead, *widths)
        widths = (projection_dim, prediction_dim or hidden_dim, projection_dim)
        self.prediction_head = build_projection_head(projection_head, BYOLPredictionHead, *widths)
        self.target_encoder = MomentumEncoder(self.backbone, self.projection_head)

    @override
    def outputs(self, sample: Sample) -> Pair:
        views = concat_views(sample.views[:2])
        prediction = self.prediction_head(self.embed(views)).unflatten(0, (2, -1))
        target = self.target_encoder(views).unflatten(0, (2, -1))
        return prediction, target.flip(0)  # view 0 predicts view 1, and the reverse

    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Pair, Pair]:
        """Outputs, and those of the last rows with the positives of ``others``: one pass, joint batch statistics."""
        rows, last = len(sample.index), len(others.index)
        views = torch.cat([*sample.views[:2], others.views[1]])
        embeddings = self.prediction_head(self.embed(views)), self.target_encoder(views)
        (p0, p1, p2), (t0, t1, t2) = (torch.split(z, [rows, rows, last]) for z in embeddings)
        own = torch.stack([p0[rows - last :], p2]), torch.stack([t2, t0[rows - last :]])
        return (torch.stack([p0, p1]), torch.stack([t1, t0])), own

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        return negative_cosine(*outputs).mean(0)

    @override
    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        if self.begins_step(batch_idx):
            self.target_encoder.ema_update(self.backbone, self.projection_head, self.momentum)
