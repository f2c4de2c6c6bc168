"""Gradients of a step's loss terms: their norms, to weigh one against another, and a loss that has their sum."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares, world_size
from unlearning_pl.learners import Learner
from unlearning_pl.methods.weight_gradients import trainable_parameters

_SCALE = 1024.0  # float16 would round gradients of a small loss to zero
Gradients = Sequence[Tensor | None]
"""Gradient of each trainable weight; None of one that the loss does not depend on."""


def loss_gradients(learner: Learner, *losses: Tensor) -> list[Gradients]:
    """Gradients of losses with respect to all trainable weights, of this process alone.

    The graph is freed, and no weight's ``grad`` changes. Each loss costs a backward pass and the memory of a gradient.
    Reentrant activation checkpointing does not allow it.

    Args:
        learner: The learner that computed the losses.
        losses: Scalars with a graph, K of them.

    Returns:
        The gradients of each loss, K of them.
    """
    weights = list(trainable_parameters(learner).values())
    scaled = [
        torch.autograd.grad(_SCALE * loss, weights, retain_graph=number < len(losses), allow_unused=True)
        for number, loss in enumerate(losses, start=1)
    ]
    return [[None if part is None else part / _SCALE for part in parts] for parts in scaled]


def gradient_norms(learner: Learner, gradients: Sequence[Gradients]) -> Tensor:
    """Norms of gradients, the same on every process.

    The gradient is the mean over processes, which data-parallel training follows: with several, an all-reduce and the
    memory of another gradient for each.

    Args:
        learner: The learner whose trainable weights they are of.
        gradients: Those of K losses, see :func:`loss_gradients`.

    Returns:
        ``(K,)`` float32 or wider, without a graph, all multiplied by one unknown factor: only ratios have a meaning.

    Example:
        >>> layer = torch.nn.Linear(1, 1)
        >>> output = layer(torch.tensor([2.0])).sum()
        >>> small, large = gradient_norms(layer, loss_gradients(layer, output, 3 * output))
        >>> round(float(large / small), 4)
        3.0
    """
    weights = list(trainable_parameters(learner).values())
    return torch.stack([_norm(_dense(weights, parts)) for parts in gradients])


def add_weighted(gradients: Gradients, added: Gradients, weight: Tensor) -> Gradients:
    """Gradients plus the weighted ones of another loss; what is not finite among these counts as zero.

    Example:
        >>> add_weighted([torch.ones(1), None, None], [torch.ones(1), torch.ones(1), None], torch.tensor(0.5))
        [tensor([1.5000]), tensor([0.5000]), None]
    """
    scaled = [None if part is None else (weight * part.nan_to_num(0, 0, 0)).to(part.dtype) for part in added]
    return [b if a is None else a if b is None else a + b for a, b in zip(gradients, scaled, strict=True)]


def loss_with_gradients(learner: Learner, loss: Tensor, gradients: Gradients) -> Tensor:
    """A loss whose backward pass gives the weights gradients that are known already, and costs no pass of the model.

    Args:
        learner: The learner whose trainable weights they are of.
        loss: Value of the loss, ``()``.
        gradients: Gradient of each weight; None leaves a weight without one.

    Example:
        >>> layer = torch.nn.Linear(1, 1, bias=False)
        >>> loss_with_gradients(layer, torch.tensor(5.0), [torch.tensor([[2.0]])]).backward()
        >>> layer.weight.grad
        tensor([[2.]])
    """
    pairs = zip(trainable_parameters(learner).values(), gradients, strict=True)
    known = [(weight, gradient) for weight, gradient in pairs if gradient is not None]
    weights, parts = [weight for weight, _ in known], [part for _, part in known]
    total: Tensor = _KnownGradients.apply(loss.detach(), parts, *weights)  # type: ignore[no-untyped-call]
    return total


class _KnownGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *weights: Tensor) -> Tensor:
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        return None, None, *(upstream.to(part.dtype) * part for part in ctx.gradients)


def _dense(weights: Sequence[Tensor], gradients: Gradients) -> list[Tensor]:
    return [torch.zeros_like(w) if g is None else g for w, g in zip(weights, gradients, strict=True)]


def _norm(parts: list[Tensor]) -> Tensor:
    if world_size() > 1:
        parts = [torch.cat([part.flatten() for part in parts])]
        all_reduce_shares(parts)
    wide = torch.promote_types(parts[0].dtype, torch.float32)
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(p, dtype=wide) for p in parts]))
    return norm
