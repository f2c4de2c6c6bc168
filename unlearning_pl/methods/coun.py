"""CoUn's contrast of retain samples."""

from typing import Literal

from torch import Tensor
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.functional.contrast import info_nce
from unlearning_pl.learners import Learner
from unlearning_pl.methods.base import PlugIn
from unlearning_pl.sample import Batch


class CoUn(PlugIn):
    r"""Add a contrastive loss on the features of retain samples to a method; alone with fine-tuning it is CoUn.

    .. math:: \lambda \, \Big( - \frac{1}{N} \sum_i \log \mathrm{softmax}_j ( \cos(z_i, z'_j) / \tau )_i
        - \frac{1}{N} \sum_i \log \mathrm{softmax}_j ( \cos(z'_i, z_j) / \tau )_i \Big)

    Khalil et al., "CoUn: Empowering Machine Unlearning via Contrastive Learning", NeurIPS 2025, arXiv 2509.16391. z and
    z' are the encoder's outputs for two views, both with a gradient, without a projection head; no forget sample
    is read. lambda in [0.1, 6], tau best at 0.1. The features of the first view are computed once more for this term.

    Args:
        weight: The coefficient lambda, at least 0.
        temperature: The temperature tau, positive.
        directions: ``sum`` of both directions as in the paper's listing, or their ``mean`` as in its equation.

    Raises:
        InputError: If a number is out of its range, or if the method under it feeds no retain samples.
    """

    num_views = 2

    def __init__(
        self, weight: float = 1.0, temperature: float = 0.1, directions: Literal["sum", "mean"] = "sum"
    ) -> None:
        require(weight >= 0, f"Expected weight >= 0, got {weight}. The paper searches 0.1 to 6.")
        require(temperature > 0, f"Expected temperature > 0, got {temperature}. The paper uses 0.1.")
        self.weight, self.temperature, self.directions = weight, temperature, directions

    @override
    def term(self, learner: Learner, batch: Batch) -> Tensor:
        first, second = (learner.features(view) for view in batch["retain"].views[:2])
        forth = info_nce(first, second, self.temperature).mean()
        back = info_nce(second, first, self.temperature).mean()
        contrast = forth + back if self.directions == "sum" else (forth + back) / 2
        learner.log_term("retain_contrast", contrast, len(first))
        return self.weight * contrast
