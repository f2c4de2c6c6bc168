"""Learning-rate schedules over a run."""

from collections.abc import Sequence
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    SequentialLR,
)

Schedule = Literal["constant", "cosine", "one_cycle", "multi_step"]


def scheduler(optimizer: Optimizer, schedule: Schedule, steps: float, warmup_steps: int = 0) -> LRScheduler:
    """Build torch's scheduler over ``steps`` steps: constant, cosine decay to zero, or one cycle (rise and decay).

    With N ``warmup_steps`` the rate of step s < N is (s + 1) / (N + 1) of the optimiser's, which step N has; the decay
    takes the steps that remain. One cycle rises anyway, along half a cosine, to the top at step N, or after 30 % of the
    steps if N is 0. It leaves momentum and betas as they are.

    ``multi_step`` is constant here: its rate falls with the epochs, see :func:`multi_step`.

    Only a constant rate needs no number of steps: they may be infinite in a run that a time ends.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> type(scheduler(optimizer, "cosine", 10)).__name__
        'CosineAnnealingLR'
        >>> scheduler(optimizer, "constant", 10, warmup_steps=3).get_last_lr()
        [0.025]
    """
    if warmup_steps and warmup_steps >= steps:  # a trial by fast_dev_run, all of whose steps are in the rise
        return _rise(optimizer, warmup_steps)
    if schedule == "one_cycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        share = (warmup_steps + 1) / steps if warmup_steps else 0.3
        return OneCycleLR(optimizer, rates, total_steps=int(steps), pct_start=share, cycle_momentum=False)
    if warmup_steps == 0:
        return _decay(optimizer, schedule, steps)
    parts = [_rise(optimizer, warmup_steps), _decay(optimizer, schedule, steps - warmup_steps)]
    return SequentialLR(optimizer, parts, milestones=[warmup_steps])


def multi_step(optimizer: Optimizer, milestones: Sequence[int]) -> LRScheduler:
    """Build torch's scheduler that divides the rate by ten after each of some epochs; it counts epochs, not steps.

    He et al., CVPR 2016, arXiv 1512.03385, section 4.2.

    Args:
        optimizer: The optimiser.
        milestones: Numbers of epochs after which the rate falls, in ascending order.

    Example:
        >>> import torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        >>> by_epoch, rates = multi_step(optimizer, [1, 3]), []
        >>> for _ in range(4):
        ...     rates.append(round(by_epoch.get_last_lr()[0], 6))
        ...     optimizer.step()
        ...     by_epoch.step()
        >>> rates
        [0.1, 0.01, 0.01, 0.001]
    """
    return MultiStepLR(optimizer, [*milestones], gamma=0.1)


def _rise(optimizer: Optimizer, steps: int) -> LRScheduler:
    return LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)


def _decay(optimizer: Optimizer, schedule: Schedule, steps: float) -> LRScheduler:
    return CosineAnnealingLR(optimizer, T_max=int(steps)) if schedule == "cosine" else LambdaLR(optimizer, _one)


def _one(_: int) -> float:
    return 1.0
