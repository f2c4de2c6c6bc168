"""SimCLR.

Letters: B rows of a batch, E width of the embeddings.
"""

import torch
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor
from typing_extensions import override

from unlearning_pl.distributed.collectives import gather_with_indices
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import nt_xent
from unlearning_pl.learners.backbones import build_backbone
from unlearning_pl.learners.contrastive_learner import ContrastiveLearner, Pair
from unlearning_pl.learners.feature_memory import concat_views
from unlearning_pl.learners.projection_heads import HeadKind, build_projection_head
from unlearning_pl.types import Sample


class SimCLR(ContrastiveLearner):
    """SimCLR: contrast the two views of an image with all other views of the batch.

    Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, arXiv 2002.05709.
    The head is lightly's; negatives are gathered over processes. The loss of a sample is the mean over its two anchors.
    Defaults follow the authors of alignment calibration (arXiv 2406.03603): temperature 0.5, an embedding of 128 behind
    a hidden layer as wide as the features.

    Args:
        backbone: Encoder: resnet9_slim, resnet18, resnet34, resnet50, vgg16_bn, vit_tiny, torchvision/NAME, timm/NAME,
            solo-learn/NAME, lightly/NAME or cifar/NAME.
        temperature: Softmax temperature, positive.
        projection_dim: Width of the embedding.
        projection_head: Kind of projection head, see
            :func:`~unlearning_pl.learners.projection_heads.build_projection_head`.
        hidden_dim: Width of the hidden layer of the head; that of the features by default.

    Raises:
        InputError: If the temperature or the width is out of range, or the backbone does not exist.
    """

    compares_rows = True

    def __init__(
        self,
        backbone: str = "resnet18",
        temperature: float = 0.5,
        projection_dim: int = 128,
        projection_head: HeadKind = "lightly",
        hidden_dim: int | None = None,
    ) -> None:
        super().__init__(*build_backbone(backbone))
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. Papers use 0.1 to 0.5.")
        self.save_hyperparameters()
        self.temperature = temperature
        self.projection_head = build_projection_head(
            projection_head, SimCLRProjectionHead, self.feature_dim, hidden_dim, projection_dim
        )

    @override
    def outputs(self, sample: Sample) -> Pair:
        anchor, positive = self.embed(concat_views(sample.views[:2])).chunk(2)
        return anchor, positive

    def outputs_with_positives(self, sample: Sample, others: Sample) -> tuple[Pair, Pair]:
        """Outputs, and those of the last rows with the positives of ``others``: one pass, joint batch statistics."""
        rows, last = len(sample.index), len(others.index)
        z = self.embed(torch.cat([*sample.views[:2], others.views[1]]))
        anchor, positive, other = torch.split(z, [rows, rows, last])
        return (anchor, positive), (anchor[rows - last :], other)

    @override
    def losses(self, outputs: Pair, sample: Sample) -> Tensor:
        return nt_xent(*outputs, self.temperature, gather_with_indices, self.names(sample))
