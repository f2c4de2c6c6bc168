"""NegGrad."""

from torch import Tensor
from typing_extensions import override

from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, concat_streams


class NegGrad(Unlearner):
    r"""NegGrad: gradient descent on retain samples and ascent on forget samples, in one pass.

    .. math:: L = \frac{1}{|B|} \Big( \sum_{i \in R \cap B} l_i - \sum_{i \in F \cap B} l_i \Big)

    MUC's adaptation (Wang et al., arXiv 2406.03603) of Golatkar et al. (arXiv 1911.04933), with 10 epochs and learning
    rates of 0.003 to 0.03. Reads the retain and the forget stream in one joint pass. The authors' code also trains on
    the validation images, and for SimCLR masks the wrong anchors (``repeat`` for ``tile``); this one does neither. Each
    process reads at least two forget rows a step (one if the forget set has a single image), so a small request weighs
    more than in proportion.
    """

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        sample, forget = concat_streams(batch)
        losses = learner.losses(learner.outputs(sample), sample)
        return losses.where(~forget, -losses).mean()
