"""Norms of the gradients of a step's loss terms, to weigh one against another."""

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares, world_size
from unlearning_pl.learners import Learner
from unlearning_pl.methods.weight_gradients import trainable_parameters

_SCALE = 1024.0  # float16 would round gradients of a small loss to zero


def gradient_norms(learner: Learner, *losses: Tensor) -> Tensor:
    """Norms of the gradients of losses with respect to all trainable weights, the same on every process.

    The gradient is that of the mean over processes, which data-parallel training follows. The graph is kept, and no
    weight's ``grad`` changes. Each loss costs a backward pass and the memory of one gradient; with several processes,
    an all-reduce and the memory of another. Reentrant activation checkpointing does not allow it.

    Args:
        learner: The learner that computed the losses.
        losses: Scalars with a graph, K of them.

    Returns:
        ``(K,)`` float32 or wider, without a graph, all multiplied by one unknown factor: only ratios have a meaning.

    Example:
        >>> layer = torch.nn.Linear(1, 1)
        >>> output = layer(torch.tensor([2.0])).sum()
        >>> small, large = gradient_norms(layer, output, 3 * output)
        >>> round(float(large / small), 4)
        3.0
    """
    return torch.stack([_gradient_norm(learner, loss) for loss in losses])


def _gradient_norm(learner: Learner, loss: Tensor) -> Tensor:
    weights = list(trainable_parameters(learner).values())
    gradients = torch.autograd.grad(_SCALE * loss, weights, retain_graph=True, allow_unused=True)
    parts = [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]
    if world_size() > 1:
        parts = [torch.cat([part.flatten() for part in parts])]
        all_reduce_shares(parts)
    wide = torch.promote_types(parts[0].dtype, torch.float32)
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p, dtype=wide) for p in parts]))
    return norm
