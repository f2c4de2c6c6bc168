"""Gradient ascent on the forget set."""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch


class GradientAscent(Unlearner):
    r"""Gradient ascent (GA): maximise the training loss of the forget set.

    .. math:: L = - \frac{1}{|F|} \sum_{i \in F} l_i

    Golatkar et al., "Eternal Sunshine of the Spotless Net", CVPR 2020, arXiv 1911.04933; Thudi et al., "Unrolling SGD:
    Understanding Factors Influencing Machine Unlearning", EuroS&P 2022, arXiv 2109.13398. Reads the forget stream only.
    No term preserves the accuracy on the retain set, so use few epochs and small learning rates: 5 epochs, 1e-6 to 1e-4
    in MUC's scripts (arXiv 2406.03603).
    """

    feed = ("forget",)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return -mean_loss(learner, batch)
