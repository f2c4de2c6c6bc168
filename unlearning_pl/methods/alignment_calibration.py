"""Alignment calibration."""

from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import all_reduce_sum, world_size
from unlearning_pl.errors import require
from unlearning_pl.functional.permutations import derangement
from unlearning_pl.learners import Learner, log_term, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Sample, concat_streams


class AlignmentCalibration(Unlearner):
    r"""Pair each forget sample with another one, and push its own two views apart.

    .. math:: L = \frac{\sum_R l_i + \alpha \sum_F l_i(\mathrm{partner})}{n_R + \alpha n_F}
        + \beta \, \frac{|F|}{|F| + |R|} \, \frac{1}{n_F} \sum_F \cos(g(v^0_i), g(v^2_i))

    Wang, Lu et al., "MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation", arXiv 2406.03603;
    defaults: alpha 1, 10 epochs, beta 8 to 20 for 10 % and 0.8 to 2 for 50 % forgotten. The authors draw partners
    from the whole forget set (``partner: dataset``) and a third view v^2 (``views: 3``). The defaults here are
    equal in distribution and cheaper: the partner is another forget sample of the batch and v^2 is v^1, so that one
    pass over the batch is all; any other choice takes a second pass (whose keys MoCo's queue takes in as well). A
    request of one image has no partner, and only the retain terms and the second term remain (our reading). The
    cosine is that of the learner's own pair: MoCo's query with its key, BYOL's prediction with its target, CLIP's
    image with its caption, and there the partner lends its caption. A classifier has a label in the place of the
    second view: the partner lends its label, and the probability of the true label is pushed down (our reading). A
    request of less than two rows a batch still has two (see ``shares``), and weighs more than in proportion.

    Args:
        alpha: Weight of the forget samples' calibrated loss, at least 0.
        beta: Weight of the alignment of forget pairs, at least 0.
        partner: Where a forget sample's partner is drawn.
        views: Views drawn of a sample.

    Raises:
        InputError: If a coefficient is negative.
    """

    required_methods = ("swap_positives", "alignment")

    def __init__(
        self,
        alpha: float = 1.0,
        beta: float = 8.0,
        partner: Literal["batch", "dataset"] = "batch",
        views: Literal[2, 3] = 2,
    ) -> None:
        require(alpha >= 0, f"Expected alpha >= 0, got {alpha}. Choose a coefficient that is not negative.")
        require(beta >= 0, f"Expected beta >= 0, got {beta}. Choose a coefficient that is not negative.")
        self.alpha, self.beta, self.partner, self.views = alpha, beta, partner, views
        self.num_views = 3 if views == 3 else 1

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.positions = data.positions("forget")
        forgotten, kept = len(self.positions), len(data.positions("retain"))
        self.data, self.share = data, forgotten / (forgotten + kept)
        if forgotten == 1:
            rank_zero_warn("One image to forget has no partner: alpha has no effect, beta alone forgets.")

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retained, forget = len(batch["retain"].index), batch.get("forget")
        if forget is None or len(forget.index) == 0:
            return mean_loss(learner, {"retain": batch["retain"]})
        losses, other, outputs, pairs = (self._within if self.partner == "batch" else self._across)(learner, batch)
        if outputs is None or self.views == 3:
            pairs, _ = concat_streams({name: _pair(rows, self.views - 1) for name, rows in batch.items()})
            outputs = learner.outputs(pairs)
        # A partner that is the image itself, drawn twice, is none.
        alpha = self.alpha * (other != forget.index)
        # A process may have fewer partners than another: over their mean, the losses average to that of one process.
        weight = all_reduce_sum(retained + alpha.sum()) / world_size()
        calibrated = (losses[:retained].sum() + (alpha * losses[retained:]).sum()) / weight
        alignment = learner.alignment(outputs, pairs)[retained:].mean()
        log_term(learner, "forget_alignment", alignment, len(forget.index))
        return calibrated + self.beta * self.share * alignment

    def _within(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor, Any, Sample]:
        """Losses with partners of the batch, the partners' positions, and outputs and samples of the true pairs."""
        sample, _ = concat_streams(batch)
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        rows = torch.arange(retained, device=sample.index.device)
        partner = torch.cat([rows, retained + derangement(forgotten, rows.device)])
        outputs = learner.outputs(sample)
        losses = learner.losses(*learner.swap_positives(outputs, sample, partner))
        return losses, sample.index[partner][retained:], outputs, sample

    def _across(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor, None, Sample]:
        """Losses with partners of the whole forget set, the partners' positions, and the samples so paired."""
        forget = batch["forget"]
        all_forget = self.positions = self.positions.to(forget.index.device)
        steps = torch.randint_like(forget.index, 1, max(len(all_forget), 2))
        partner = all_forget[(torch.searchsorted(all_forget, forget.index) + steps) % len(all_forget)]
        lent = self.data.samples_at(partner)
        lent = lent._replace(views=(forget.views[0], *lent.views[1:2]))
        sample, _ = concat_streams({"retain": _pair(batch["retain"], 1), "forget": lent})
        return learner.losses(learner.outputs(sample), sample), partner, None, sample


def _pair(sample: Sample, last: int) -> Sample:
    """The first view and one more; a classifier has no more than the first."""
    return sample._replace(views=(*sample.views[:1], *sample.views[last : last + 1]))
