"""Selective synaptic dampening."""

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.importance import dampened
from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_gradients import squared_gradients, trainable
from unlearning_pl.types import Sample, Split


class SSD(Unlearner):
    r"""Shrink the weights that matter more for the forget samples than for all, without any training.

    .. math:: \theta_j \leftarrow \min(\lambda I^D_j / I^F_j, 1) \, \theta_j \quad \text{where} \quad
        I^F_j > \alpha I^D_j

    Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening",
    AAAI 2024, arXiv 2308.07707. I is the mean over groups of ``rows`` samples of the squared gradient of their mean
    loss, on the original in evaluation mode; D is forget and retain together. Groups of one are the definition, for a
    classifier; a contrastive loss needs others in its group. The authors' code takes whole batches. One pass over the
    data is all that it costs; the optimiser and the number of epochs play no part. The authors' alpha of 10 is for
    requests far below a tenth of the data: F is part of D, so alpha must stay below size of D / size of F, and 2 is
    the default here. CoUn (arXiv 2509.16391) searches 0.1 to 100, and 0.1 to 5 for lambda.

    Args:
        selection: alpha, positive: the smaller, the more weights shrink.
        dampening: lambda, positive: the smaller, the more they shrink.
        rows: Samples of a group, at least 1.

    Raises:
        InputError: If a number is out of its range.
    """

    takes_steps, supports_fsdp = False, False

    def __init__(self, selection: float = 2.0, dampening: float = 1.0, rows: int = 8) -> None:
        require(selection > 0, f"Expected selection > 0, got {selection}. CoUn searches 0.1 to 100.")
        require(dampening > 0, f"Expected dampening > 0, got {dampening}. CoUn searches 0.1 to 5.")
        require(rows >= 1, f"Expected rows >= 1, got {rows}. Give the samples of a group.")
        self.selection, self.dampening, self.rows = selection, dampening, rows

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        forgotten = len(data.positions("forget"))
        most = 1 + len(data.positions("retain")) / max(forgotten, 1)
        require(
            self.selection < most,
            f"Expected selection < {most:.1f} = size of D / size of F, got {self.selection}. F is part of D: nothing "
            "matters that much more for it: lower it.",
        )

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        forget = squared_gradients(learner, streams["forget"], self.rows)
        train = squared_gradients(learner, chain(streams["retain"], streams["forget"]), self.rows)
        shrunk = 0
        with torch.no_grad():
            for name, weight in trainable(learner).items():
                new = dampened(weight, forget[name], train[name], self.selection, self.dampening)
                shrunk += int((new != weight).sum())
                weight.copy_(new)
        if shrunk == 0:
            rank_zero_warn(
                f"SSD shrank no weight with selection = {self.selection}: lower it, or forget more than one image."
            )

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        trainer.should_stop = True
