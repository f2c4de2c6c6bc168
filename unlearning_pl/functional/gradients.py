"""Norms of input gradients.

Letters: B rows of a batch.
"""

import torch
from torch import Tensor


def input_gradient_norm(losses: Tensor, inputs: tuple[Tensor, ...], rows_at: int = 0) -> Tensor:
    r"""Input gradient norm: L2 norm of the loss gradient with respect to each sample's input, differentiable again.

    .. math:: n_i = \Big\| \frac{\partial \sum_j l_j}{\partial v_i} \Big\|_2

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
