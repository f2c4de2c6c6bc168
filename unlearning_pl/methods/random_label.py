"""Random labels."""

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch


def corrupted_loss(learner: Learner, batch: Batch) -> Tensor:
    """Mean loss of a joint pass in which what was learned about forget samples is broken, anew in each step."""
    forget = batch["forget"]
    if learner.num_views > 1 and len(forget.index) == 1:  # nobody to be mismatched with
        return mean_loss(learner, {"retain": batch["retain"]})
    return mean_loss(learner, {**batch, "forget": learner.corrupt_targets(forget)})


def warn_single_image(learner: Learner, data: UnlearningData) -> None:
    """Say that a single image of a contrastive learner cannot be mismatched."""
    if learner.num_views > 1 and len(data.positions("forget")) == 1:
        rank_zero_warn("One image to forget has no partner to be mismatched with: this is fine-tuning.")


class RandomLabel(Unlearner):
    r"""Train on retain samples, and on forget samples with a random other label.

    .. math:: L = \frac{1}{n_R + n_F} \Big( \sum_R l_i + \sum_F l_i(\tilde y_i) \Big), \quad \tilde y_i \ne y_i

    Golatkar et al., "Eternal Sunshine of the Spotless Net", CVPR 2020, arXiv 1911.04933. Labels are drawn anew in every
    step, and both sides share one pass, as SalUn's authors do for CIFAR-100. A contrastive learner has no label: the
    second view of another forget image of the batch stands in its place, so that what an image was paired with is
    wrong (our reading; MUC does so too). A request of one image has no such partner, and nothing but fine-tuning
    remains.
    """

    required_methods = ("corrupt_targets",)

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        warn_single_image(learner, data)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return corrupted_loss(learner, batch)
