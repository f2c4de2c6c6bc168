"""Checks of the optimiser and the learning-rate schedule on a single parameter, before the first step."""

import torch
from torch.optim import LBFGS

from unlearning_pl.errors import InputError, require
from unlearning_pl.learners import Learner
from unlearning_pl.learners.lr_schedule import scheduler


def check_optimizer(model: Learner, channels_last: bool, device: torch.device) -> None:
    """Check that an optimiser takes steps with dense gradients, and that the schedule can drive it.

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
        >>> learner.optimize_with(partial(torch.optim.Rprop, lr=0.1), "one_cycle")
        >>> check_optimizer(learner, channels_last=True, device=torch.device("cpu"))
        Traceback (most recent call last):
        ...
        unlearning_pl.errors.InputError: Expected an optimizer that --schedule one_cycle can drive, got Rprop: ...
    """
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.ones(1)
    optimizer = model._optimizer([parameter])
    name = type(optimizer).__name__
    require(
        not (isinstance(optimizer, LBFGS) and channels_last),
        f"Expected trainer.channels_last = false with {name}, which reads gradients in their default memory format, "
        "got true. Add --trainer.channels_last false.",
    )
    try:
        scheduler(optimizer, model.schedule, 2)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"Expected an optimizer that --schedule {model.schedule} can drive, got {name}: {error}. Choose another "
            "schedule, or SGD with momentum."
        ) from error
    if device.type != "cpu":
        return
    try:
        optimizer.step(lambda: parameter.sum().item())
    except (RuntimeError, ValueError, AssertionError) as error:
        raise InputError(
            f"Expected an optimizer that can take a step here, got {name}: {str(error).rstrip('.')}. Choose another "
            "one, or correct its settings."
        ) from error
