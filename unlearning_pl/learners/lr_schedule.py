"""Learning-rate schedules over a run."""

from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

Schedule = Literal["constant", "cosine", "one_cycle"]


def scheduler(optimizer: Optimizer, schedule: Schedule, steps: float) -> LRScheduler:
    """Build torch's scheduler over ``steps`` steps: constant, cosine decay to zero, or one cycle (rise and decay).

    Only a constant rate needs no number of steps: they may be infinite in a run that a time ends.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> type(scheduler(optimizer, "cosine", 10)).__name__
        'CosineAnnealingLR'
    """
    if schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=int(steps))
    if schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=[group["lr"] for group in optimizer.param_groups], total_steps=int(steps))
    return LambdaLR(optimizer, lambda _: 1.0)
