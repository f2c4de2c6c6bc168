"""Random label (RL)."""

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch


def corrupted_loss(learner: Learner, batch: Batch) -> Tensor:
    """Mean loss of a joint pass in which forget samples have corrupted targets, drawn anew in each step."""
    forget = batch["forget"]
    if learner.num_views > 1 and len(forget.index) == 1:  # no other sample to pair it with
        return mean_loss(learner, {"retain": batch["retain"]})
    return mean_loss(learner, {**batch, "forget": learner.corrupt_targets(forget)})


def warn_single_image(learner: Learner, data: UnlearningData) -> None:
    """Warn that a contrastive learner cannot mismatch a forget set of one image."""
    if learner.num_views > 1 and len(data.positions("forget")) == 1:
        rank_zero_warn("One image to forget has no partner to mismatch it with: this is fine-tuning.")


class RandomLabel(Unlearner):
    r"""Random label (RL): train on retain samples, and on forget samples with a random other label.

    .. math:: L = \frac{1}{n_R + n_F} \Big( \sum_R l_i + \sum_F l_i(\tilde y_i) \Big), \quad \tilde y_i \ne y_i

    Golatkar et al., "Eternal Sunshine of the Spotless Net", CVPR 2020, arXiv 1911.04933. Reads the retain and the
    forget stream in one joint pass, as SalUn's authors do for CIFAR-100, and draws labels anew in every step (theirs
    may draw the true one). A contrastive learner has no labels: the second view of another forget image of the batch
    replaces the image's own, so that the positive is wrong (our reading; MUC does so too); an image-text learner takes
    another image's caption. A forget set of one image has no such partner: contrastive learners drop its row and only
    fine-tune, an image-text learner keeps its true caption.
    """

    required_methods = ("corrupt_targets",)

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        warn_single_image(learner, data)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return corrupted_loss(learner, batch)
