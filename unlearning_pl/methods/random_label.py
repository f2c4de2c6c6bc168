"""Random label (RL)."""

import torch
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import all_reduce_sum, world_size
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods.partners import Partners
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, concat_streams


def partners_for(learner: Learner, data: UnlearningData) -> Partners | None:
    """Partners for a learner whose targets are corrupted by those of other samples; None if it needs none."""
    return Partners(learner, data) if getattr(learner, "borrows_targets", False) else None


def corrupted_loss(learner: Learner, batch: Batch, partners: Partners | None) -> Tensor:
    """Mean loss of a joint pass in which forget samples have corrupted targets, drawn anew in each step.

    A forget sample without a partner shares the pass, as a negative and in batch statistics, but has no loss.
    """
    retain, forget = batch["retain"], batch["forget"]
    if partners is None:
        return mean_loss(learner, {**batch, "forget": learner.corrupt_targets(forget)})
    joint, is_forget = concat_streams({"retain": retain, "forget": forget})
    partner = partners.in_batch(batch)
    corrupted = learner.corrupt_targets(forget, joint.take(partner))
    sample, _ = concat_streams({"retain": retain, "forget": corrupted})
    losses = learner.losses(learner.outputs(sample), sample)
    counts = ~is_forget
    counts[len(retain.index) :] = partner != torch.arange(len(retain.index), len(losses), device=losses.device)
    return (losses * counts).sum() / (all_reduce_sum(counts.sum()) / world_size())


class RandomLabel(Unlearner):
    r"""Random label (RL): train on retain samples, and on forget samples with a random other label.

    .. math:: L = \frac{1}{n_R + n_F} \Big( \sum_R l_i + \sum_F l_i(\tilde y_i) \Big), \quad \tilde y_i \ne y_i

    Golatkar et al., "Eternal Sunshine of the Spotless Net", CVPR 2020, arXiv 1911.04933. Reads the retain and the
    forget stream in one joint pass, as SalUn's authors do for CIFAR-100, and draws labels anew in every step (theirs
    may draw the true one). A contrastive learner has no labels: the second view of another forget image of the batch
    replaces the image's own, so that the positive is wrong (our reading; MUC does so too); an image-text learner takes
    another image's caption, which the image itself does not have. If all images to forget share their captions, as a
    class does with captions made of class names, or if there is one image only, retain images of the batch lend their
    view or caption. A forget image for which the batch has no other caption has no loss.
    """

    required_methods = ("corrupt_targets",)

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.partners = partners_for(learner, data)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return corrupted_loss(learner, batch, self.partners)
