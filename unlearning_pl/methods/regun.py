"""ReGUn: reference-guided unlearning."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import all_reduce_shares, all_reduce_sum, world_size
from unlearning_pl.errors import require
from unlearning_pl.functional.class_means import means_by_class, sums_by_class
from unlearning_pl.functional.divergences import divergence_from
from unlearning_pl.learners import Learner, log_term
from unlearning_pl.methods.partners import target_kind
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.types import Batch, Sample, Split, concat_streams


class ReGUn(Unlearner):
    r"""ReGUn: distil forget samples to the original's mean output on held-out images of the same classes.

    .. math:: L = \lambda \, \frac{1}{n_F} \sum_F \mathrm{KL}(q \, \| \, p_i) + (1 - \lambda) \frac{1}{n_R} \sum_R l_i,
        \quad q = \frac{1}{n_F} \sum_{i \in F} \bar p_{y_i}

    Mirlach, Laguna and Vogt, "Reference-Guided Machine Unlearning", ICLR 2026 workshops, arXiv 2603.11210. p_i are the
    class probabilities of sample i, and the mean of the original's over the held-out images of class y is written with
    a bar; all forget samples of a step, over all processes, share the target q. The authors draw for each step as many
    held-out images of each class as the step has forget samples of it; q is the expectation of their target over these
    draws. As theirs, a class without a held-out image takes the mean over all of them, and the original is measured
    once, in evaluation mode. Their code ties the weights as above, and uses lambda 0.5, SGD at 0.01 with momentum and
    without weight decay, 10 epochs, and a tenth of the training images held out.

    Deviations: held-out images are seen in one draw of the views of the fit, like forget samples, where the authors
    take clean images; retain and forget samples share a pass and its batch statistics, which leaves a small request
    with defined ones; an epoch is a pass over the retain set too. Reads the retain and the forget stream, and the
    held-out images once, before the first step.

    A learner without classes has one output that images have in common, the alignment of a pair: there the divergence
    is the squared difference from the original's mean alignment on all held-out images (our reading).

    Args:
        weight: lambda, the weight of the divergence, above 0 and below 1.

    Raises:
        InputError: If the weight is out of its range, or there are no held-out images.
    """

    feed, supports_fsdp = ("retain", "forget", "validation"), False
    required_methods = ("logits", "alignment")
    state_keys = ("reference",)

    def __init__(self, weight: float = 0.5) -> None:
        require(0 < weight < 1, f"Expected weight above 0 and below 1, got {weight}. The authors use 0.5.")
        self.weight = weight

    @override
    def streams(self, epoch: int) -> tuple[Split, ...]:
        return ("retain", "forget")

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        held_out = len(data.positions("validation"))
        require(
            held_out > 0,
            "Expected held-out images for ReGUn, got none. Train the original with --data.validation 0.1.",
        )
        self.has_classes, self.reference = target_kind(learner) == "class", torch.zeros(())

    @override
    @torch.no_grad()
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        weight = next(learner.parameters())
        sums = weight.new_zeros((), dtype=torch.promote_types(weight.dtype, torch.float32))
        shape = sums.new_zeros(3)
        for sample in streams["validation"]:
            rows = self._shared_outputs(learner, learner.outputs(sample), sample).to(sums.dtype)
            rows = rows.softmax(1) if self.has_classes else rows
            sums = sums + sums_by_class(rows, self._classes(sample), rows.shape[1])
            shape = shape.new_tensor([*sums.shape, 1])
        all_reduce_shares([shape])  # a process may have no batch, and so no shape of its own
        classes, columns = (shape[:2] / shape[2]).int().tolist()
        sums = sums.expand(classes, columns).clone()
        all_reduce_shares([sums])
        self.reference = means_by_class(sums)

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        sample, _ = concat_streams(batch)
        retained, forgotten = len(batch["retain"].index), len(batch["forget"].index)
        outputs = learner.outputs(sample)
        found = self._shared_outputs(learner, outputs, sample)[retained:]
        self.reference = self.reference.to(found.device)
        wanted = self.reference[self._classes(batch["forget"])].mean(0)
        wanted = all_reduce_sum(wanted) / world_size()  # each process has as many forget rows
        distances = divergence_from(wanted, found) if self.has_classes else (found - wanted).square()
        log_term(learner, "forget_divergence", distances.mean(), forgotten)
        loss = learner.losses(outputs, sample)[:retained].mean()
        return self.weight * distances.mean() + (1 - self.weight) * loss

    def _shared_outputs(self, learner: Learner, outputs: Tensor, sample: Sample) -> Tensor:
        """What images have in common: logits of the classes, ``(B, K)``, or the alignment of a pair, ``(B, 1)``."""
        return learner.logits(outputs) if self.has_classes else learner.alignment(outputs, sample)[:, None]

    def _classes(self, sample: Sample) -> Tensor:
        return sample.target if self.has_classes else torch.zeros_like(sample.target)
