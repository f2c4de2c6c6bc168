"""SalUn."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.importance import top_share
from unlearning_pl.learners import Learner
from unlearning_pl.methods.random_label import corrupted_loss, warn_single_image
from unlearning_pl.methods.unlearner import Unlearner
from unlearning_pl.methods.weight_gradients import summed_gradients, trainable
from unlearning_pl.types import Batch, Sample, Split


class SalUn(Unlearner):
    r"""Random labels, but only the weights that matter most for the forget samples move.

    .. math:: m = \mathbb 1 \Big[ \, \Big| \frac{\partial}{\partial \theta} \sum_F l_i \Big|
        \text{ in the top share} \Big], \quad \theta \leftarrow m \, \theta + (1 - m) \, \theta_o

    Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency", ICLR 2024, arXiv 2310.12508.
    The gradient is that of the original in evaluation mode, ranked over all trained parameters together. Masking
    gradients alone, as the authors' code does, lets momentum and weight decay move the other weights; here they are
    put back after each step and end bit for bit as they began. The loss is that of ``RandomLabel``, in one joint
    pass, with what that says of learners without labels. Defaults: share 0.5; the authors' example has 10 epochs at a
    learning rate of 0.013.

    Args:
        share: Share of the weights that may move, in (0, 1].

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
        warn_single_image(learner, data)
        self.original = {name: weight.detach().clone() for name, weight in trainable(learner).items()}
        self.selected: dict[str, Tensor] = {}

    @override
    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        self.selected = top_share(summed_gradients(learner, streams["forget"]), self.share)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.selected = trainer.strategy.broadcast(self.selected)  # the same on every process, to the last weight
        for kept in (self.original, self.selected):
            kept.update({name: value.to(pl_module.device) for name, value in kept.items()})

    @override
    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        return corrupted_loss(learner, batch)

    @override
    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        for name, weight in trainable(pl_module).items():  # type: ignore[arg-type]
            weight.copy_(weight.where(self.selected[name], self.original[name]))
