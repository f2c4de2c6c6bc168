"""Distance between two sets of weights."""

from collections.abc import Iterable

import torch
from torch import Tensor


def rms_distance(weights: Iterable[Tensor], others: Iterable[Tensor], eps: float = 1e-8) -> Tensor:
    r"""Root mean square of the differences of all weights, taken together.

    .. math:: \sqrt{ \frac{1}{N} \sum_j (\theta_j - \theta'_j)^2 + \epsilon }

    The root itself has no gradient where the weights are equal. With epsilon the gradient there is zero, and its norm
    tends to :math:`1 / \sqrt N` where the distance is far above :math:`\sqrt \epsilon`.

    Args:
        weights: Tensors of any shapes, N weights in all, at least one.
        others: Tensors of the same shapes, in the same order.
        eps: epsilon, positive.

    Returns:
        ``()``, in float32 or wider.

    Example:
        >>> rms_distance([torch.tensor([1.0, 2.0]), torch.zeros(2)], [torch.tensor([1.0, 0.0]), torch.zeros(2)])
        tensor(1.)
    """
    total, count = torch.zeros(()), 0
    for weight, other in zip(weights, others, strict=True):
        wide = torch.promote_types(weight.dtype, torch.float32)
        difference = weight.to(wide) - other.to(wide)
        total, count = total.to(difference) + difference.square().sum(), count + weight.numel()
    return (total / count + eps).sqrt()
