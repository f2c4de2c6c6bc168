"""Gradients of losses with respect to what they were computed from.

Letters: B rows of a batch.
"""

import torch
from torch import Tensor


def input_gradient_norm(losses: Tensor, inputs: tuple[Tensor, ...], rows_at: int = 0) -> Tensor:
    r"""Length of the gradient of each sample's loss with respect to its own input, differentiable once more.

    .. math:: n_i = \Big\| \frac{\partial \sum_j l_j}{\partial v_i} \Big\|_2

    For a loss that treats samples independently this is :math:`\| \partial l_i / \partial v_i \|`; where samples meet
    (negatives, batch statistics) the sum over j also carries their influence on one another, since one gradient
    per sample would need B backward passes.

    Args:
        losses: Loss of each sample, ``(B,)``, computed from ``inputs``.
        inputs: What the losses were computed from, with ``requires_grad``: views ``(B, ...)``, or embeddings
            ``(..., B, E)``; the norm runs over all of them. One that no gradient reaches (the view of a momentum
            encoder) counts as zero.
        rows_at: The axis of the samples.

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
    return total.clamp_min(torch.finfo(total.dtype).tiny).sqrt()  # the root has no gradient at zero
