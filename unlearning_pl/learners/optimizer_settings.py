"""Optimiser, learning-rate schedule and weight decay of a training, as a learner keeps them until it is configured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn
from torch.optim import Optimizer

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners.lr_schedule import Schedule, multi_step, scheduler
from unlearning_pl.learners.parameter_groups import WeightDecayOn, parameter_groups

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]
NOT_RECORDED: Mapping[str, Any] = {"warmup_steps": 0, "weight_decay_on": "all", "milestones": []}
"""Settings of runs that do not record them, as those of version 0.1."""
COMPILE = "trainer.compile"
"""Key, in a plan, of the mode of compilation; runs of earlier versions do not record it."""


@dataclass(frozen=True)
class OptimizerSettings:
    """What a training needs to build its optimiser and its learning-rate scheduler.

    Args:
        factory: Builds an optimiser from parameters or parameter groups.
        schedule: The learning-rate schedule.
        warmup_steps: Optimiser steps over which the rate rises; 0 for none.
        weight_decay_on: The parameters that the optimiser's weight decay acts on.
        milestones: Numbers of epochs after which ``multi_step`` divides the rate by ten.

    Raises:
        InputError: If a value is out of its range, or the optimiser rejects its settings.
    """

    factory: OptimizerFactory
    schedule: Schedule
    warmup_steps: int
    weight_decay_on: WeightDecayOn
    milestones: Sequence[int] = ()

    def __post_init__(self) -> None:
        for name, kind in (("schedule", Schedule), ("weight_decay_on", WeightDecayOn)):
            value, choices = getattr(self, name), get_args(kind)
            require(value in choices, f"Expected {name} = {' or '.join(choices)}, got {value!r}. Choose one of them.")
        steps = self.warmup_steps
        require(
            isinstance(steps, int) and not isinstance(steps, bool) and steps >= 0,
            f"Expected a whole number warmup_steps >= 0, got {steps!r}. Give the number of optimiser steps over which "
            "the learning rate rises, or 0.",
        )
        self._check_milestones()
        try:
            self.trial()
        except (ValueError, TypeError) as error:
            raise InputError(f"Expected settings that the optimizer takes, got: {error}. Correct them.") from error

    def _check_milestones(self) -> None:
        epochs = [*self.milestones]
        require(
            all(isinstance(epoch, int) and not isinstance(epoch, bool) and epoch > 0 for epoch in epochs)
            and epochs == sorted({*epochs}),
            f"Expected milestones in ascending order, whole numbers of epochs above 0, got {epochs}. Give for instance "
            "[91, 136].",
        )
        stepwise = self.schedule == "multi_step"
        require(
            stepwise == bool(epochs),
            f"Expected milestones with schedule = multi_step and with no other, got {epochs} with {self.schedule}. "
            "Give both, or neither.",
        )
        require(
            not (stepwise and self.warmup_steps),
            f"Expected warmup_steps = 0 with schedule = multi_step, got {self.warmup_steps}. Leave it out.",
        )

    def trial(self, grouped: bool = False) -> Optimizer:
        """Build the optimiser of a single parameter, or of one with and one without weight decay."""
        first, second = (torch.zeros(1, requires_grad=True) for _ in range(2))
        return self.factory([{"params": [first]}, {"params": [second], "weight_decay": 0.0}] if grouped else [first])

    @property
    def has_groups(self) -> bool:
        """Whether parameters without weight decay form a group, which an optimiser without weight decay needs not."""
        return self.weight_decay_on != "all" and "weight_decay" in self.trial().defaults

    def configure(self, module: nn.Module, dimensions: Mapping[str, int], steps: float) -> OptimizerLRSchedulerConfig:
        """Build the optimiser of a module's trainable parameters, and its scheduler over ``steps`` optimiser steps.

        Args:
            module: The module, possibly sharded.
            dimensions: Of its parameters, from
                :func:`~unlearning_pl.learners.parameter_groups.parameter_dimensions`.
            steps: Optimiser steps of the run; may be infinite.
        """
        on = self.weight_decay_on if self.has_groups else "all"
        optimizer = self.factory(parameter_groups(module, dimensions, on))
        if self.schedule == "multi_step":
            by_epoch = multi_step(optimizer, self.milestones)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": by_epoch, "interval": "epoch", "name": "lr"}}
        lr_scheduler = scheduler(optimizer, self.schedule, steps, self.warmup_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": lr_scheduler, "interval": "step", "name": "lr"}}
