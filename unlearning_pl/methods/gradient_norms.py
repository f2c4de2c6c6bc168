"""Norms of the gradients of a step's loss terms, to weigh one against another."""

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares
from unlearning_pl.learners import Learner
from unlearning_pl.methods.weight_gradients import trainable_parameters

_SCALE = 1024.0  # float16 would round gradients of a small loss to zero


def gradient_norms(learner: Learner, *losses: Tensor) -> Tensor:
    """Norms of the gradients of losses with respect to the trainable weights, the same on every process.

    The gradient is that of the mean over processes, which data-parallel training follows. The graph is kept, and no
    weight's ``grad`` changes. Each loss costs a backward pass and an all-reduce of a tensor of the model's size.

    Args:
        learner: The learner that computed the losses.
        losses: Scalars with a graph, K of them.

    Returns:
        ``(K,)`` float32 or wider, without a graph, all multiplied by one unknown factor: only ratios have a meaning.
    """
    weights = list(trainable_parameters(learner).values())
    norms = []
    for loss in losses:
        gradients = torch.autograd.grad(_SCALE * loss, weights, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]
        total = torch.cat([part.flatten() for part in parts])
        all_reduce_shares([total])
        norms.append(torch.linalg.vector_norm(total, dtype=torch.promote_types(total.dtype, torch.float32)))
    return torch.stack(norms)
