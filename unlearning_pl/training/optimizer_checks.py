"""Checks of the optimiser and the learning-rate schedule on single parameters, before the first step."""

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.learners.optimizer_settings import OptimizerSettings


def check_optimizer(model: Learner, channels_last: bool, device: torch.device) -> None:
    """Check that an optimiser takes steps with dense gradients, and has a rate that the schedule can drive.

    Args:
        model: The learner, with its optimiser and schedule.
        channels_last: Whether the weights will be in channels-last memory format.
        device: Device of the training; a step is tried on a CPU only, as no other device is touched before processes
            start.

    Raises:
        InputError: If one of them fails.

    Example:
        >>> from functools import partial
        >>> from unlearning_pl.learners import SimCLR
        >>> learner = SimCLR("resnet9_slim")
        >>> learner.optimize_with(partial(torch.optim.SparseAdam, lr=0.1))
        >>> check_optimizer(learner, channels_last=True, device=torch.device("cpu"))
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected an optimizer that can take a step here, got SparseAdam: ...
    """
    settings = model.optimizer_settings
    optimizer = _try_groups(settings)
    name = type(optimizer).__name__
    require(
        not (isinstance(optimizer, LBFGS) and channels_last),
        f"Expected trainer.channels_last = false with {name}, which reads gradients in their default memory format, "
        "got true. Add --trainer.channels_last false.",
    )
    rates = [group.get("lr") for group in optimizer.param_groups]
    require(
        all(isinstance(rate, (float, int, Tensor)) for rate in rates),
        f"Expected an optimizer with a learning rate that --schedule {settings.schedule} can drive, got {name} with "
        f"{rates[0]}. Give it one by --optimizer.lr, or choose another optimizer.",
    )
    if device.type == "cpu":
        _try_step(optimizer)


def check_warmup(trainer: Trainer, model: Learner, planned: int) -> None:
    """Check that a run goes on after its warm-up and its milestones, where its length is known before it starts.

    Args:
        trainer: The trainer.
        model: The learner, with its optimiser and schedule.
        planned: Optimiser steps of all epochs; not used for a run without a number of epochs.

    Raises:
        InputError: If the warm-up takes all steps, or those that ``one_cycle`` needs for its decay;
            or the last milestone is not before the end.
    """
    settings = model.optimizer_settings
    last, epochs = max(settings.milestones, default=0), trainer.max_epochs or 0
    require(
        trainer.fast_dev_run or epochs <= 0 or last < epochs,  # type: ignore[attr-defined]
        f"Expected trainer.max_epochs above the last of --milestones, got {epochs} and {[*settings.milestones]}. "
        "Choose epochs after which the run goes on.",
    )
    limits = (planned if (trainer.max_epochs or 0) > 0 else -1, trainer.max_steps)
    known = [limit for limit in limits if limit >= 0]
    if trainer.fast_dev_run or not settings.warmup_steps or not known:  # type: ignore[attr-defined]
        return
    most = max(0, min(known) - (2 if settings.schedule == "one_cycle" else 1))
    require(
        settings.warmup_steps <= most,
        f"Expected --warmup_steps from 0 to {most} in a run of {min(known)} optimiser steps with --schedule "
        f"{settings.schedule}, got {settings.warmup_steps}. Choose fewer, or train for longer.",
    )


def _try_groups(settings: OptimizerSettings) -> Optimizer:
    """An optimiser with as many groups of parameters as that of the training, and gradients."""
    try:
        optimizer = settings.trial(grouped=settings.has_groups)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"Expected an optimizer that takes groups of parameters for --weight_decay_on {settings.weight_decay_on}, "
            f"got {type(settings.trial()).__name__}: {error}. Choose --weight_decay_on all."
        ) from error
    for parameter in (parameter for group in optimizer.param_groups for parameter in group["params"]):
        parameter.grad = torch.ones(1)
    return optimizer


def _try_step(optimizer: Optimizer) -> None:
    try:
        optimizer.step(lambda: 0.0)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"Expected an optimizer that can take a step here, got {type(optimizer).__name__}: "
            f"{str(error).rstrip('.')}. Choose another one, or correct its settings."
        ) from error
