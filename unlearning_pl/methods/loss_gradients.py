"""Gradients of a step's loss terms: their norms, to weigh one against another, and a loss that has their sum."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unlearning_pl.distributed.collectives import all_reduce_shares, world_size
from unlearning_pl.learners import Learner
from unlearning_pl.methods.weight_gradients import trainable_parameters

_SCALE = 1024.0  # float16 would round gradients of a small loss to zero
Gradients = Mapping[str, Tensor]
"""Gradient of each weight that a loss depends on, by the weight's name."""


def loss_gradients(learner: Learner, *losses: Tensor) -> list[Gradients]:
    """Gradients of losses with respect to all weights that need one, of this process alone, outside autocast.

    The graph is kept, and no weight's ``grad`` changes. Each loss costs a backward pass, and the gradients of all of
    them are in memory at once. Reentrant activation checkpointing does not allow it.

    Args:
        learner: The learner that computed the losses.
        losses: Scalars with a graph, K of them.

    Returns:
        The gradients of each loss, K of them.

    Example:
        >>> layer = torch.nn.Linear(1, 1)
        >>> [gradients] = loss_gradients(layer, 3 * layer.bias.sum())
        >>> gradients
        {'bias': tensor([3.])}
    """
    named = {name: weight for name, weight in learner.named_parameters() if weight.requires_grad}
    return [_gradients(named, loss) for loss in losses]


def _gradients(weights: Mapping[str, Tensor], loss: Tensor) -> Gradients:
    with torch.autocast(loss.device.type, enabled=False):  # a backward pass inside would cast the products of losses
        parts = torch.autograd.grad(_SCALE * loss, list(weights.values()), retain_graph=True, allow_unused=True)
    return {name: part / _SCALE for name, part in zip(weights, parts, strict=True) if part is not None}


def gradient_norms(learner: Learner, gradients: Sequence[Gradients]) -> Tensor:
    """Norms of gradients with respect to all trainable weights, the same on every process.

    Data-parallel training follows the mean over processes: with several, each gradient costs an all-reduce and the
    memory of another.

    Args:
        learner: The learner whose weights they are of.
        gradients: Those of K losses, see :func:`loss_gradients`.

    Returns:
        ``(K,)`` float32 or wider, without a graph, times the number of processes: only ratios have a meaning.

    Example:
        >>> layer = torch.nn.Linear(1, 1)
        >>> output = layer(torch.tensor([2.0])).sum()
        >>> small, large = gradient_norms(layer, loss_gradients(layer, output, 3 * output))
        >>> round(float(large / small), 4)
        3.0
    """
    weights = trainable_parameters(learner)
    return torch.stack(
        [_norm([parts.get(name, torch.zeros_like(w)) for name, w in weights.items()]) for parts in gradients]
    )


def add_weighted(gradients: Gradients, added: Gradients, weight: Tensor) -> Gradients:
    """Gradients plus the weighted ones of another loss.

    Example:
        >>> add_weighted({"a": torch.ones(1)}, {"a": torch.ones(1), "b": torch.ones(1)}, torch.tensor(0.5))
        {'a': tensor([1.5000]), 'b': tensor([0.5000])}
    """
    total = dict(gradients)
    for name, part in added.items():
        scaled = (weight * part).to(part.dtype)
        total[name] = total[name] + scaled if name in total else scaled
    return total


def loss_with_gradients(learner: Learner, loss: Tensor, gradients: Gradients) -> Tensor:
    """A loss whose backward pass gives the weights gradients that are known already, and costs no pass of the model.

    Args:
        learner: The learner whose weights they are of.
        loss: Value of the loss, ``()``.
        gradients: Gradients by the names of weights; other weights get none.

    Example:
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> loss_with_gradients(layer, torch.tensor(5.0), {"weight": torch.tensor([[2.0]])}).backward()
        >>> layer.weight.grad
        tensor([[2.]])
    """
    weights = dict(learner.named_parameters())
    known = (loss.detach(), [*gradients.values()], *(weights[name] for name in gradients))
    total: Tensor = _KnownGradients.apply(*known)  # type: ignore[no-untyped-call]
    return total


class _KnownGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *weights: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    @once_differentiable  # the known gradients have no graph
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return None, None, *(upstream.to(part.dtype) * part for part in ctx.gradients)


def _norm(parts: list[Tensor]) -> Tensor:
    if world_size() > 1:
        parts = [torch.cat([part.flatten() for part in parts])]
        all_reduce_shares(parts)
    wide = torch.promote_types(parts[0].dtype, torch.float32)
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p, dtype=wide) for p in parts]))
    return norm
