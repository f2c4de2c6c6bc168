"""Choice of torch's fused optimisers, which take a step of all parameters in one kernel."""

import torch
from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

FUSED_DEVICES = ("cuda",)
"""Devices where the fused kernels are used. On a CPU they are slower than a loop for SGD with large weights."""
_CLASSES = (SGD, Adam, AdamW)  # Adagrad creates its state with the optimiser, for the kernel that it has then


def use_fused(optimizer: Optimizer) -> None:
    """Switch an optimiser that was just built to its fused kernel, unless its user chose ``fused`` or ``foreach``.

    The flag is one of the parameter groups, so that a checkpoint restores the kernel of the run that it is from: the
    kernels round differently. Gradient scaling does not depend on it: the trainer still unscales, and clips, before the
    step.

    Args:
        optimizer: The optimiser, whose parameters are on the device of the training; other classes than SGD, Adam and
            AdamW are left unchanged.

    Example:
        >>> optimizer = SGD([torch.zeros(2, requires_grad=True)], lr=0.1)
        >>> use_fused(optimizer)
        >>> optimizer.param_groups[0]["fused"] is None  # on a CPU
        True
    """
    if type(optimizer) not in _CLASSES:
        return
    optimizer.register_load_state_dict_post_hook(_match_strides)
    groups = [optimizer.defaults, *optimizer.param_groups]
    is_free = all(group["fused"] is None and group["foreach"] is None for group in groups)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    fits = all(p.device.type in FUSED_DEVICES and torch.is_floating_point(p) for p in parameters)
    if is_free and fits and not any(group["differentiable"] for group in groups):
        for group in groups:
            group["fused"] = True


def _match_strides(optimizer: Optimizer) -> None:
    """Give restored momenta the strides of their parameters: fused kernels read both as flat memory."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
