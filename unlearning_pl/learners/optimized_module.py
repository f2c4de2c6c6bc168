"""The part of a learner that configures its optimiser."""

from collections.abc import Sequence
from typing import Any, ClassVar

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from typing_extensions import override

from unlearning_pl.learners.fused_optimizer import use_fused
from unlearning_pl.learners.lr_schedule import Schedule
from unlearning_pl.learners.optimizer_settings import COMPILE, OptimizerFactory, OptimizerSettings
from unlearning_pl.learners.parameter_groups import WeightDecayOn, parameter_dimensions


class OptimizedModule(LightningModule):
    """LightningModule whose optimiser, learning-rate schedule and weight decay are set by :meth:`optimize_with`.

    Attributes:
        weight_decay_on: Parameters that weight decay acts on if :meth:`optimize_with` names none: ``all``, or
            ``matrices``.
        optimizer_settings: What :meth:`optimize_with` has set.
    """

    weight_decay_on: ClassVar[WeightDecayOn] = "all"
    optimizer_settings: OptimizerSettings

    def __init__(self) -> None:
        super().__init__()
        self._dimensions: dict[str, int] = {}  # of the parameters, by name

    def optimize_with(
        self,
        optimizer: OptimizerFactory,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        weight_decay_on: WeightDecayOn | None = None,
        milestones: Sequence[int] = (),
    ) -> None:
        """Set the optimiser and the learning-rate schedule, which changes at every step, or epoch, of the run.

        Args:
            optimizer: Builds an optimiser from the parameters, for instance ``partial(SGD, lr=0.1)``.
            schedule: ``constant``; ``cosine``, decays to zero; ``one_cycle``, rises to the optimiser's rate and decays;
                ``multi_step``, a tenth after each of the ``milestones``.
            warmup_steps: Optimiser steps over which the rate rises first; of ``one_cycle``, 0 stands for 30 % of them.
            weight_decay_on: ``all`` parameters, or ``matrices``, the weights of convolutions and linear layers without
                norms and biases; None for the learner's own default, the attribute of this name.
            milestones: Numbers of epochs after which ``multi_step`` divides the rate by ten, in ascending order.

        Raises:
            InputError: If the optimiser rejects its settings, or another value is out of its range.
        """
        on = self.weight_decay_on if weight_decay_on is None else weight_decay_on
        self.optimizer_settings = OptimizerSettings(optimizer, schedule, warmup_steps, on, [*milestones])

    @property
    def schedule(self) -> Schedule:
        """The learning-rate schedule."""
        return self.optimizer_settings.schedule

    @override
    def setup(self, stage: str) -> None:
        # After the callbacks' setup, which may add auxiliary modules, and before FSDP flattens the parameters.
        self._dimensions = parameter_dimensions(self)

    @override
    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        steps = self.trainer.estimated_stepping_batches
        config = self.optimizer_settings.configure(self, self._dimensions, steps)
        has_sparse = any(getattr(module, "sparse", False) for module in self.modules())  # embeddings: their gradients
        # Other strategies, DeepSpeed's subclass of DDP's among them, shard the optimiser or replace it.
        if type(self.trainer.strategy) in (SingleDeviceStrategy, DDPStrategy) and not has_sparse:
            use_fused(config["optimizer"])
        return config

    def plan(self, trainer: Trainer) -> dict[str, Any]:
        """Settings of the optimiser, its learning-rate schedule and the trainer that a resumed run must repeat."""
        names = ("schedule", "warmup_steps", "weight_decay_on", "milestones")
        own: dict[str, Any] = {name: getattr(self.optimizer_settings, name) for name in names}
        own |= {"epochs": trainer.max_epochs, "steps": trainer.max_steps}
        own |= {COMPILE: str(getattr(trainer, "compile", False)).lower()}
        return own | {name: getattr(trainer, name) for name in ("limit_train_batches", "accumulate_grad_batches")}
