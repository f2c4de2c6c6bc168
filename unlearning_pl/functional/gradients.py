"""Norms of the gradients of a loss, with respect to inputs and to weights.

Letters: B rows of a batch.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def input_gradient_norm(losses: Tensor, inputs: tuple[Tensor, ...], rows_at: int = 0) -> Tensor:
    r"""Input gradient norm: L2 norm of the loss gradient with respect to each sample's input, differentiable again.

    .. math:: n_i = \left\| \frac{\partial \sum_j l_j}{\partial v_i} \right\|_2

    For a loss that treats samples independently this is :math:`\| \partial l_i / \partial v_i \|`. If samples interact
    (negatives, batch statistics), the sum over j also includes their influence on one another, since one gradient per
    sample would need B backward passes.

    Args:
        losses: Loss of each sample, ``(B,)``, computed from ``inputs``.
        inputs: Tensors that the losses were computed from, with ``requires_grad``: views ``(B, ...)``, or embeddings
            ``(..., B, E)``; the norm covers all of them. An input without a gradient path (the view of a momentum
            encoder) counts as zero.
        rows_at: Axis of the samples.

    Returns:
        ``(B,)`` in float32 or wider, attached to the graph.

    Example:
        >>> x = torch.tensor([[3.0, 4.0], [0.0, 1.0]], requires_grad=True)
        >>> input_gradient_norm((x**2).sum(1) / 2, (x,))
        tensor([5., 1.], grad_fn=<SqrtBackward0>)
    """
    gradients = torch.autograd.grad(losses.sum(), inputs, create_graph=True, materialize_grads=True)
    rows = [gradient.movedim(rows_at, 0).flatten(1) for gradient in gradients]
    squares = [row.to(torch.promote_types(row.dtype, torch.float32)).square().sum(1) for row in rows]
    total = torch.stack(squares).sum(0)
    return total.clamp_min(torch.finfo(total.dtype).tiny).sqrt()  # sqrt has no finite gradient at zero


def weight_gradient_norms(losses: Iterable[Tensor], weights: Sequence[Tensor]) -> Tensor:
    r"""Weight gradient norm of each loss: L2 norm of its gradient with respect to all weights together.

    .. math:: n_i = \Big( \sum_w \left\| \frac{\partial l_i}{\partial w} \right\|_2^2 \Big)^{1/2}

    A backward pass a loss. An iterator that makes each loss when it is asked for needs the memory of one graph.

    Args:
        losses: B scalars, or a tensor ``(B,)``, computed from the weights.
        weights: Tensors of any shapes with ``requires_grad``; one without a path to a loss counts as zero.

    Returns:
        ``(B,)`` in float32 or wider, detached.

    Raises:
        ValueError: Without weights, or with a loss that is no scalar.

    Example:
        >>> weight = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> weight_gradient_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0]]) @ weight, [weight])
        tensor([5., 1.])
    """
    if not weights:
        raise ValueError("Expected one weight or more, got none. Pass the parameters that require a gradient.")
    norms = []
    for loss in losses:
        if loss.ndim:
            raise ValueError(f"Expected a scalar for each row, got {tuple(loss.shape)}. Reduce its loss.")
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, materialize_grads=True)
        wide = [g.to(torch.promote_types(g.dtype, torch.float32)).norm() for g in gradients]
        norms.append(torch.stack(wide).norm())
    return torch.stack(norms) if norms else torch.zeros(0)
