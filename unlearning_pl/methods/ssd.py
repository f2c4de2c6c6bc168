"""Selective synaptic dampening."""

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
from lightning.pytorch import LightningModule, Trainer
from typing_extensions import override

from unlearning_pl.errors import require
from unlearning_pl.functional.importance import dampened
from unlearning_pl.learners import Learner
from unlearning_pl.methods.base import Unlearner
from unlearning_pl.methods.importance import squared_gradients, trainable
from unlearning_pl.sample import Sample, Split


class SSD(Unlearner):
    r"""Shrink the weights that matter more for the forget samples than for all, without any training.

    .. math:: \theta_j \leftarrow \min(\lambda I^D_j / I^F_j, 1) \, \theta_j \quad \text{where} \quad
        I^F_j > \alpha I^D_j

    Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening",
    AAAI 2024, arXiv 2308.07707. I is the mean over groups of ``rows`` samples of the squared gradient of their mean
    loss, on the original in evaluation mode; D is forget and retain together. Groups of one are the definition, for a
    classifier; a contrastive loss needs others in its group. The authors' code takes whole batches. One pass over the
    data is all that it costs; the optimiser and the number of epochs play no part. Defaults: alpha 10, lambda 1; CoUn
    (arXiv 2509.16391) searches 0.1 to 100 and 0.1 to 5.

    Args:
        selection: alpha, positive: the smaller, the more weights shrink.
        dampening: lambda, positive: the smaller, the more they shrink.
        rows: Samples of a group, at least 1.

    Raises:
        InputError: If a number is out of its range.
    """

    trains = False

    def __init__(self, selection: float = 10.0, dampening: float = 1.0, rows: int = 8) -> None:
        require(selection > 0, f"Expected selection > 0, got {selection}. CoUn searches 0.1 to 100.")
        require(dampening > 0, f"Expected dampening > 0, got {dampening}. CoUn searches 0.1 to 5.")
        require(rows >= 1, f"Expected rows >= 1, got {rows}. Give the samples of a group.")
        self.selection, self.dampening, self.rows = selection, dampening, rows

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        forget = squared_gradients(learner, streams["forget"], self.rows)
        train = squared_gradients(learner, chain(streams["retain"], streams["forget"]), self.rows)
        with torch.no_grad():
            for name, weight in trainable(learner).items():
                weight.copy_(dampened(weight, forget[name], train[name], self.selection, self.dampening))

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = True
