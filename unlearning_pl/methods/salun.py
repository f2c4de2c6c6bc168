"""SalUn."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.importance import top_fraction_mask
from unlearning_pl.learners import Learner
from unlearning_pl.methods.random_label import corrupted_loss, partners_for
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_gradients import summed_gradients, trainable_parameters
from unlearning_pl.types import Batch, Sample, Split


class SalUn(Unlearner):
    r"""SalUn: random labels, but only the most salient weights for the forget set are updated.

    .. math:: m = \mathbb 1 \Big[ \, \Big| \frac{\partial}{\partial \theta} \sum_F l_i \Big|
        \text{ in the largest fraction } s \Big], \quad \theta \leftarrow m \, \theta + (1 - m) \, \theta_o

    Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency", ICLR 2024, arXiv 2310.12508.
    The gradient is that of the original in evaluation mode, summed over the forget stream and ranked over all trained
    parameters together. Masking gradients only, as the authors' code did until February 2026 (since then it clears
    masked momentum too), lets momentum and weight decay move the other weights; here they are restored after each step
    and end bit for bit equal to the original's. The loss, its streams (retain and forget, one joint pass) and its
    treatment of learners without labels are those of
    :class:`~unlearning_pl.methods.RandomLabel`. The authors use a share of 0.5; their example trains 10 epochs at a
    learning rate of 0.013.

    Args:
        share: s, the fraction of the weights to update, in (0, 1].

    Raises:
        InputError: If the share is out of its range.
    """

    required_methods, supports_fsdp = ("corrupt_targets",), False
    state_keys = ("selected",)

    def __init__(self, share: float = 0.5) -> None:
        require(0 < share <= 1, f"Expected share above 0 and at most 1, got {share}. The authors use 0.5.")
        self.share = share

    @override
    def prepare(self, learner: Learner, data: UnlearningData) -> None:
        self.partners = partners_for(learner, data)
        self.original = {name: weight.detach().clone() for name, weight in trainable_parameters(learner).items()}
        self.selected: dict[str, Tensor] = {}

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        self.selected = top_fraction_mask(summed_gradients(learner, streams["forget"]), self.share)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.selected = trainer.strategy.broadcast(self.selected)  # exactly the same weights on every rank
        for state in (self.original, self.selected):
            state.update({name: value.to(pl_module.device) for name, value in state.items()})

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return corrupted_loss(learner, batch, self.partners)

    @override
    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        for name, weight in trainable_parameters(pl_module).items():  # type: ignore[arg-type]
            weight.copy_(weight.where(self.selected[name], self.original[name]))
