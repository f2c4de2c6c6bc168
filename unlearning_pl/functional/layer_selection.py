"""Layers that matter for the forget samples and little for the retain samples."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from unlearning_pl.functional.pareto_front import pareto_front

Weights = Mapping[str, Tensor]


def layers_on_the_front(names: Iterable[str], weights: Weights, forget: Weights, retain: Weights) -> list[str]:
    r"""Layers that no other one beats in both importance for the forget samples and independence of the retain samples.

    .. math:: \mathrm{importance}_l = \frac{ {\lVert g^F_l \rVert}_2 }{ {\lVert \theta_l \rVert}_2 }, \quad
        \mathrm{alignment}_l = | \cos(g^F_l, g^R_l) |

    Importance is to be large, alignment small. Cai, Tan and Asif, "Targeted Unlearning with Single Layer Unlearning
    Gradient", ICML 2025, arXiv 2407.11867.

    Args:
        names: Layers to consider; those without a forget gradient, or whose weights are all zero, are left out.
        weights: theta, tensors of any shape by name.
        forget: Gradient of the forget loss, of the same shapes.
        retain: Gradient of the retain loss, of the same shapes.

    Returns:
        Names, in the order given.

    Example:
        >>> one, two = torch.ones(2), torch.tensor([1.0, -1.0])
        >>> layers_on_the_front("ab", {"a": one, "b": one}, {"a": 2 * one, "b": one}, {"a": two, "b": one})
        ['a']
    """
    kept = [name for name in names if forget[name].any() and weights[name].any()]
    if not kept:
        return []
    points = [_point(weights[name], forget[name], retain[name]) for name in kept]
    return [name for name, on_front in zip(kept, pareto_front(torch.stack(points)).tolist(), strict=True) if on_front]


def _point(weight: Tensor, forget: Tensor, retain: Tensor) -> Tensor:
    """Negative importance and alignment, ``(2,)``."""
    alignment = torch.cosine_similarity(forget.flatten(), retain.flatten(), dim=0).abs()
    return torch.stack([-forget.norm() / weight.norm(), alignment])
