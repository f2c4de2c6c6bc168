"""Alignment calibration."""

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.pairs import derangement
from unlearning_pl.learners import Learner
from unlearning_pl.methods.base import Unlearner
from unlearning_pl.sample import Batch, joint


class AlignmentCalibration(Unlearner):
    r"""Pair each forget sample with another one, and push its own two views apart.

    .. math:: L = \frac{\sum_R l_i + \alpha \sum_F l_i(\mathrm{partner})}{n_R + \alpha n_F}
        + \beta \, \frac{|F|}{|F| + |R|} \, \frac{1}{n_F} \sum_F \cos(g(v^0_i), g(v^1_i))

    Wang, Lu et al., "MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation", arXiv 2406.03603;
    defaults: alpha 1, 10 epochs, beta 8 to 20 for 10 % and 0.8 to 2 for 50 % forgotten. The partner is another forget
    sample of the same batch and the two views serve both terms, so one pass over the batch is all; the authors draw
    partners from the whole forget set and a third view. A request of one image has no partner, and only the retain
    terms and the second term remain (our reading). The cosine is that of the learner's own pair: MoCo's query with
    its key, BYOL's prediction with its target. A classifier has a label in the place of the second view: the partner
    lends its label, and the probability of the true label is pushed down (our reading). A request of less than two
    rows a batch still has two (see ``shares``), and weighs more than in proportion.

    Args:
        alpha: Weight of the forget samples' calibrated loss, at least 0.
        beta: Weight of the alignment of forget pairs, at least 0.

    Raises:
        InputError: If a coefficient is negative.
    """

    def __init__(self, alpha: float = 1.0, beta: float = 8.0) -> None:
        require(alpha >= 0, f"Expected alpha >= 0, got {alpha}. Choose a coefficient that is not negative.")
        require(beta >= 0, f"Expected beta >= 0, got {beta}. Choose a coefficient that is not negative.")
        self.alpha, self.beta = alpha, beta

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        forgotten, kept = len(data.positions("forget")), len(data.positions("retain"))
        self.share = forgotten / (forgotten + kept)
        if forgotten == 1:
            rank_zero_warn("One image to forget has no partner: alpha has no effect, beta alone forgets.")

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        sample, _ = joint(batch)
        outputs = learner.outputs(sample)
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        rows = torch.arange(retained, device=sample.index.device)
        partner = torch.cat([rows, retained + derangement(forgotten, rows.device)])
        losses = learner.losses(*learner.rematch(outputs, sample, partner))
        # A partner that is the image itself, drawn twice, is none.
        alpha = self.alpha * (sample.index[partner] != sample.index)[retained:]
        calibrated = (losses[:retained].sum() + (alpha * losses[retained:]).sum()) / (retained + alpha.sum())
        alignment = learner.alignment(outputs, sample)[retained:].mean()
        learner.log_term("forget_alignment", alignment, forgotten)
        return calibrated + self.beta * self.share * alignment
