"""Which weights matter for some samples, and what to do with them."""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def top_share(scores: Weights, share: float) -> dict[str, Tensor]:
    """Mark the weights with the largest absolute scores, ranked over all tensors together.

    Of equal scores the earlier weights win, so that the number of marks is exact.

    Args:
        scores: Score of each weight, tensors of any shape by name.
        share: Share of all weights to mark, in [0, 1].

    Returns:
        Tensors of the same shapes, bool.

    Example:
        >>> top_share({"a": torch.tensor([1.0, -4.0]), "b": torch.tensor([[2.0], [0.0]])}, share=0.5)
        {'a': tensor([False,  True]), 'b': tensor([[ True],
                [False]])}
    """
    flat = torch.cat([score.flatten().abs() for score in scores.values()])
    marked = torch.zeros_like(flat, dtype=torch.bool)
    marked[flat.argsort(descending=True, stable=True)[: round(share * len(flat))]] = True
    parts = torch.split(marked, [score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def dampened(weight: Tensor, forget: Tensor, train: Tensor, selection: float, dampening: float) -> Tensor:
    r"""Shrink the weights that matter for the forget samples more than for all training samples.

    .. math:: \theta_j \leftarrow \min(\lambda I^D_j / I^F_j, 1) \, \theta_j \quad \text{where} \quad
        I^F_j > \alpha I^D_j

    Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening",
    AAAI 2024, arXiv 2308.07707.

    Args:
        weight: Weights theta, any shape.
        forget: Importance for the forget samples, at least 0, same shape.
        train: Importance for all training samples, at least 0, same shape.
        selection: alpha.
        dampening: lambda.

    Returns:
        The new weights.

    Example:
        >>> one = torch.ones(3)
        >>> dampened(one, torch.tensor([1.0, 20.0, 0.0]), one, selection=10.0, dampening=1.0)
        tensor([1.0000, 0.0500, 1.0000])
    """
    chosen = forget > selection * train
    factor = (dampening * train / forget.where(chosen, torch.ones_like(forget))).clamp(max=1.0)
    return weight.where(~chosen, weight * factor)
