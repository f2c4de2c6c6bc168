"""Selective synaptic dampening (SSD)."""

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.importance import dampen
from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_gradients import squared_gradients, trainable_parameters
from unlearning_pl.types import Sample, Split


class SSD(Unlearner):
    r"""Selective synaptic dampening (SSD): shrink weights more important for the forget set than for all; no training.

    .. math:: \theta_j \leftarrow \min(\lambda I^D_j / I^F_j, 1) \, \theta_j \quad \text{where} \quad
        I^F_j > \alpha I^D_j

    Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening",
    AAAI 2024, arXiv 2308.07707. I is the mean over groups of ``rows`` samples of the squared gradient of their mean
    loss, for the original in evaluation mode; D is the retain and the forget set together. Groups of one sample give
    the definition (diagonal Fisher information), for a classifier; a contrastive loss needs other samples in its
    group. The authors' code takes whole batches. The method reads the retain set once and the forget set twice, and
    takes no step: the optimiser and the number of epochs have no effect.

    The authors' alpha of 10 suits requests far below a tenth of the data: F is part of D, so alpha must stay below size
    of D / size of F, and the default here is 2. CoUn (arXiv 2509.16391) searches 0.1 to 100, and 0.1 to 5 for lambda.

    Args:
        selection: alpha, the selection threshold, positive: the smaller, the more weights shrink.
        dampening: lambda, the dampening constant, positive: the smaller, the more they shrink.
        rows: Number of samples per group, at least 1.

    Raises:
        InputError: If a number is out of its range, or ``selection`` is not below size of D / size of F.
    """

    takes_steps, supports_fsdp = False, False

    def __init__(self, selection: float = 2.0, dampening: float = 1.0, rows: int = 8) -> None:
        require(selection > 0, f"Expected selection > 0, got {selection}. CoUn searches 0.1 to 100.")
        require(dampening > 0, f"Expected dampening > 0, got {dampening}. CoUn searches 0.1 to 5.")
        require(rows >= 1, f"Expected rows >= 1, got {rows}. Give the number of samples per group.")
        self.selection, self.dampening, self.rows = selection, dampening, rows

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        forget_size = len(data.positions("forget"))
        limit = 1 + len(data.positions("retain")) / max(forget_size, 1)
        require(
            self.selection < limit,
            f"Expected selection < {limit:.1f} = size of D / size of F, got {self.selection}. F is part of D, so no "
            "weight can be that much more important for it: lower it.",
        )

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        forget = squared_gradients(learner, streams["forget"], self.rows)
        train = squared_gradients(learner, chain(streams["retain"], streams["forget"]), self.rows)
        shrunk = 0
        with torch.no_grad():
            for name, weight in trainable_parameters(learner).items():
                new = dampen(weight, forget[name], train[name], self.selection, self.dampening)
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
