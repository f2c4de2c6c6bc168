"""Alignment calibration (AC)."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import all_reduce_sum, world_size
from unlearning_pl.errors import require
from unlearning_pl.learners import Learner, log_term, mean_loss
from unlearning_pl.methods.partners import Partners
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
    default the partner is another forget sample of the batch and v^2 is v^1, so an image is embedded in two views. Any
    other choice embeds a further view of the forget rows, in the same pass as the other two, so that batch statistics
    are joint; the authors embed each of three views of all rows in a pass with statistics of its own. MoCo enqueues a
    single key of each row, that of its positive in l_i.

    Either choice gives every forget sample a random partner and keeps its own pair out of l_i. With SimCLR and CLIP,
    whose negatives are the batch, an image's own positive is in the batch by default, in its partner's place, and with
    ``dataset`` where the image lends one: it is no negative of the image, nor the image of it. As a negative it would
    push the pair apart in addition to beta: by 0.14 % of beta's term for SimCLR at temperature 0.5 and batch 512, 121 %
    at 0.1 and 128, 46 to 144 % for CLIP at temperature 0.07, and ten times beta's term at 0.01. So the two choices
    differ in this: by default l_i has one negative less, and its negatives are other positives of the batch in place of
    other positives of the forget set.

    A partner has another caption or label, since a caption or label in common is not wrong; for a learner of two views
    it is another image. If all images to forget share one (a class request with captions made of class names, or a
    request of one image), retain samples are the partners; where these do not differ either, only the retain terms and
    the second term remain (our reading). The authors' SimCLR code with alpha != 1 masks the wrong anchors (``repeat``
    for ``tile``); with that corrected it agrees with this method to 1e-15.

    The cosine compares the learner's own pair: MoCo's query with its key, BYOL's prediction with its target, CLIP's
    image with its caption; with CLIP the partner lends its caption. For a classifier, whose positive is the label, the
    partner lends its label and the second term lowers the probability of the true label (our reading). Each process
    reads at least two forget rows a step (one if the forget set has a single image, see
    :func:`~unlearning_pl.data.streams.rows_per_stream`), so a small request weighs more than in proportion.

    Args:
        alpha: alpha, the weight of the forget samples' loss with their partners as positives, at least 0.
        beta: beta, the weight of the mean alignment of the forget samples' own pairs, at least 0.
        partner: Draw a forget sample's partner from the forget samples of the ``batch`` or from the whole forget set
            (``dataset``).
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
        forget_size, retain_size = len(data.positions("forget")), len(data.positions("retain"))
        self.data, self.forget_fraction = data, forget_size / (forget_size + retain_size)
        self.partners = Partners(learner, data)
        if hasattr(learner, "replace_positives"):
            rank_zero_warn(
                f"{type(learner).__name__} defines replace_positives, which is not called any more. Define "
                "outputs_with_positives(sample, others) in its place, see docs/protocol.md."
            )

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        retained, forget = len(batch["retain"].index), batch.get("forget")
        if forget is None or len(forget.index) == 0:
            return mean_loss(learner, {"retain": batch["retain"]})
        sample, _ = concat_streams({"retain": batch["retain"], "forget": forget})
        own = sample._replace(views=(*sample.views[:1], *sample.views[self.views - 1 : self.views]))
        if self.partner == "batch":
            rows = torch.arange(len(sample.index), device=sample.index.device)
            partner = torch.cat([rows[:retained], self.partners.in_batch(batch)])
            outputs, alignment = self._embed(learner, sample, own, len(forget.index))
            losses = learner.losses(*learner.swap_positives(outputs, sample, partner))
            has_partner = (partner != rows)[retained:]
        else:
            pairs, has_partner = self._lend_positives(batch)
            outputs, alignment = self._embed(learner, pairs, own, len(forget.index))
            losses = learner.losses(outputs, pairs)
        alpha = self.alpha * has_partner
        # Ranks may have different numbers of partners: with their mean as weight, the average over ranks is the loss
        # of a single process.
        weight = all_reduce_sum(retained + alpha.sum()) / world_size()
        calibrated = (losses[:retained].sum() + (alpha * losses[retained:]).sum()) / weight
        log_term(learner, "forget_alignment", alignment, len(forget.index))
        return calibrated + self.beta * self.forget_fraction * alignment

    def _embed(self, learner: Learner, sample: Sample, own: Sample, forgotten: int) -> tuple[Any, Tensor]:
        """Outputs of ``sample``, and the mean alignment of the last rows of ``own``, in as few passes as they take."""
        if self.partner == "batch" and self.views == 2:
            outputs = own_outputs = learner.outputs(sample)
        elif (joint_outputs := _joint_outputs(learner)) is not None:
            own = own.take(slice(len(own.index) - forgotten, None))
            outputs, own_outputs = joint_outputs(sample, own)
        else:  # embed all rows again, for the sake of batch statistics
            outputs, own_outputs = learner.outputs(sample), learner.outputs(own)
        return outputs, learner.alignment(own_outputs, own)[-forgotten:].mean()

    def _lend_positives(self, batch: Batch) -> tuple[Sample, Tensor]:
        """Rows of both streams with partners from the data set, and a mask of the forget rows that have one."""
        forget = batch["forget"]
        partner, has_partner = self.partners.in_data(forget.index)
        lent = self.data.samples_at(partner)
        lent = lent._replace(views=(forget.views[0], *lent.views[1:2]), index=forget.index)
        retain = batch["retain"]._replace(views=batch["retain"].views[:2])
        pairs, _ = concat_streams({"retain": retain, "forget": lent})
        return pairs._replace(partner=torch.cat([retain.index, partner])), has_partner


def _joint_outputs(learner: Learner) -> Callable[[Sample, Sample], tuple[Any, Any]] | None:
    """The learner's joint pass; None if there is none, or if it would bypass ``outputs`` of a subclass."""
    namespaces = [vars(learner), *map(vars, type(learner).__mro__)]
    first = next((names for names in namespaces if "outputs" in names or "outputs_with_positives" in names), {})
    joint: Callable[[Sample, Sample], tuple[Any, Any]] | None = getattr(learner, "outputs_with_positives", None)
    return joint if "outputs_with_positives" in first else None
