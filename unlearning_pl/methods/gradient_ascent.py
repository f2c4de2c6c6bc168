"""Gradient ascent on what goes."""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch


class GradientAscent(Unlearner):
    r"""Raise the loss of the forget set, and look at nothing else.

    .. math:: L = - \frac{1}{|F|} \sum_{i \in F} l_i

    Golatkar et al., CVPR 2020, arXiv 1911.04933; Thudi et al., EuroS&P 2022, arXiv 2109.13398. Nothing holds the model
    together, so few epochs and small learning rates: 5 epochs, 1e-6 to 1e-4 in MUC's scripts (arXiv 2406.03603).
    """

    feed = ("forget",)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return -mean_loss(learner, batch)
