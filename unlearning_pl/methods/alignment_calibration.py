"""Alignment calibration (AC)."""

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
    r"""Alignment calibration (AC): give each forget sample another positive, and lower the alignment of its own pair.

    .. math:: L = \frac{\sum_R l_i + \alpha \sum_F l_i(\mathrm{partner})}{n_R + \alpha n_F}
        + \beta \, \frac{|F|}{|F| + |R|} \, \frac{1}{n_F} \sum_F \cos(g(v^0_i), g(v^2_i))

    Wang, Lu et al., "MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation", arXiv 2406.03603;
    the authors use alpha 1, 10 epochs, and beta 8 to 20 for 10 % and 0.8 to 2 for 50 % forgotten. Reads the retain and
    the forget stream.

    The authors draw partners from the whole forget set (``partner: dataset``) and a third view v^2 (``views: 3``). By
    default the partner is another forget sample of the batch and v^2 is v^1, so a single pass over the batch is enough.
    Any other choice takes a second pass, and MoCo enqueues the keys of both passes. The default and the authors' choice
    are equal in distribution for MoCo, BYOL and classifiers. With SimCLR and CLIP, whose negatives are the batch, an
    image's own positive stays among its negatives by default, which pushes its pair apart in addition to beta: by
    0.14 % of beta's term for SimCLR at temperature 0.5 and batch 512, 121 % at 0.1 and 128, and 46 to 144 % for CLIP at
    temperature 0.07.

    A request of one image has no partner: only the retain terms and the second term remain (our reading). The authors'
    SimCLR code with alpha != 1 masks the wrong anchors (``repeat`` for ``tile``); with that corrected it agrees with
    this method to 1e-15.

    The cosine compares the learner's own pair: MoCo's query with its key, BYOL's prediction with its target, CLIP's
    image with its caption; with CLIP the partner lends its caption. For a classifier, whose positive is the label, the
    partner lends its label and the second term lowers the probability of the true label (our reading). Each process
    reads at least two forget rows a step (one if the forget set has a single image, see
    :func:`~unlearning_pl.data.streams.rows_per_stream`), so a small request weighs more than in proportion.

    Args:
        alpha: alpha, the weight of the forget samples' loss with their partners as positives, at least 0.
        beta: beta, the weight of the mean alignment of the forget samples' own pairs, at least 0.
        partner: Draw a forget sample's partner from the ``batch`` or from the whole forget set (``dataset``).
        views: Number of augmented views per sample; with 3 the second term compares v^0 with v^2, with 2 with v^1.

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
        forget_size, retain_size = len(self.positions), len(data.positions("retain"))
        self.data, self.forget_fraction = data, forget_size / (forget_size + retain_size)
        if forget_size == 1:
            rank_zero_warn("One image to forget has no partner: alpha has no effect, only beta forgets.")

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retained, forget = len(batch["retain"].index), batch.get("forget")
        if forget is None or len(forget.index) == 0:
            return mean_loss(learner, {"retain": batch["retain"]})
        with_partners = self._batch_partners if self.partner == "batch" else self._dataset_partners
        losses, other, outputs, pairs = with_partners(learner, batch)
        if outputs is None or self.views == 3:
            pairs, _ = concat_streams({name: _pair(rows, self.views - 1) for name, rows in batch.items()})
            outputs = learner.outputs(pairs)
        # Another row of the same image (one image may fill several rows) is not a partner.
        alpha = self.alpha * (other != forget.index)
        # Ranks may have different numbers of partners: with their mean as weight, the average over ranks is the loss
        # of a single process.
        weight = all_reduce_sum(retained + alpha.sum()) / world_size()
        calibrated = (losses[:retained].sum() + (alpha * losses[retained:]).sum()) / weight
        alignment = learner.alignment(outputs, pairs)[retained:].mean()
        log_term(learner, "forget_alignment", alignment, len(forget.index))
        return calibrated + self.beta * self.forget_fraction * alignment

    def _batch_partners(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor, Any, Sample]:
        """Losses with partners from the batch, the partners' positions, and outputs and samples of the true pairs."""
        sample, _ = concat_streams(batch)
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        rows = torch.arange(retained, device=sample.index.device)
        partner = torch.cat([rows, retained + derangement(forgotten, rows.device)])
        outputs = learner.outputs(sample)
        losses = learner.losses(*learner.swap_positives(outputs, sample, partner))
        return losses, sample.index[partner][retained:], outputs, sample

    def _dataset_partners(self, learner: Learner, batch: Batch) -> tuple[Tensor, Tensor, None, Sample]:
        """Losses with partners from the whole forget set, the partners' positions, and the samples paired that way."""
        forget = batch["forget"]
        all_forget = self.positions = self.positions.to(forget.index.device)
        steps = torch.randint_like(forget.index, 1, max(len(all_forget), 2))
        partner = all_forget[(torch.searchsorted(all_forget, forget.index) + steps) % len(all_forget)]
        partners = self.data.samples_at(partner)
        partners = partners._replace(views=(forget.views[0], *partners.views[1:2]))
        sample, _ = concat_streams({"retain": _pair(batch["retain"], 1), "forget": partners})
        return learner.losses(learner.outputs(sample), sample), partner, None, sample


def _pair(sample: Sample, last: int) -> Sample:
    """Keep the first view and view number ``last``; a classifier has the first view only."""
    return sample._replace(views=(*sample.views[:1], *sample.views[last : last + 1]))
