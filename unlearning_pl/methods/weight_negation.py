"""Weight negation (NoT)."""

import torch
from torch import nn
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner, MomentumEncoder
from unlearning_pl.methods.unlearner import Unlearner


class WeightNegation(Unlearner):
    r"""Weight negation (NoT): negate the weights of the first layer, then fine-tune on the retain set.

    .. math:: \theta_1 \leftarrow - \theta_1, \quad L = \frac{1}{|R|} \sum_{i \in R} l_i

    Khalil et al., "NoT: Federated Unlearning via Weight Negation", CVPR 2025, arXiv 2503.05657. The first layer is the
    first convolution; for a vision transformer the authors negate the patch embedding and one more layer, ``layers =
    2``. Biases are kept. A momentum encoder (MoCo, BYOL) is negated as well, since its targets would restore the old
    features (our reading). Reads the retain stream only, and needs enough epochs to recover the accuracy: 50 in CoUn
    (arXiv 2509.16391).

    Args:
        layers: Number of layers to negate, in the order of the encoder's modules, at least 1.

    Raises:
        InputError: If ``layers`` is less than 1, or more than the backbone's convolutions and linear layers.
    """

    feed = ("retain",)
    required_methods = ("backbone",)

    def __init__(self, layers: int = 1) -> None:
        require(layers >= 1, f"Expected layers >= 1, got {layers}. The authors negate 1 layer, or 2 of a transformer.")
        self.layers = layers

    @override
    @torch.no_grad()
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        momentum_backbones = [module.backbone for module in learner.modules() if isinstance(module, MomentumEncoder)]
        for encoder in (learner.backbone, *momentum_backbones):
            weights = [m.weight for m in encoder.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
            require(
                self.layers <= len(weights),
                f"Expected layers <= {len(weights)}, the convolutions and linear layers of the backbone, got "
                f"{self.layers}. Negate fewer.",
            )
            for weight in weights[: self.layers]:
                weight.neg_()
