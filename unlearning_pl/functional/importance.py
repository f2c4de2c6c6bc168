"""Weight importance: select the most salient weights, dampen the weights important for the forget set."""

from collections.abc import Mapping

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]


def top_fraction_mask(scores: Weights, share: float) -> dict[str, Tensor]:
    """Mask the weights with the largest absolute scores, ranked over all tensors together.

    Among equal scores earlier weights come first, so the number of selected weights is exact.

    Args:
        scores: Score of each weight, tensors of any shape by name.
        share: Fraction of all weights to select, in [0, 1].

    Returns:
        Masks of the same shapes, bool.

    Example:
        >>> top_fraction_mask({"a": torch.tensor([1.0, -4.0]), "b": torch.tensor([[2.0], [0.0]])}, share=0.5)
        {'a': tensor([False,  True]), 'b': tensor([[ True],
                [False]])}
    """
    flat = torch.cat([score.flatten().abs() for score in scores.values()])
    selected = torch.zeros_like(flat, dtype=torch.bool)
    selected[flat.argsort(descending=True, stable=True)[: round(share * len(flat))]] = True
    parts = torch.split(selected, [score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def dampen(weight: Tensor, forget: Tensor, train: Tensor, selection: float, dampening: float) -> Tensor:
    r"""Selective synaptic dampening (SSD): shrink weights more important for the forget set than for the training set.

    .. math:: \theta_j \leftarrow \min(\lambda I^D_j / I^F_j, 1) \, \theta_j \quad \text{where} \quad
        I^F_j > \alpha I^D_j

    Foster, Schoepf and Brintrup, "Fast Machine Unlearning Without Retraining Through Selective Synaptic Dampening",
    AAAI 2024, arXiv 2308.07707.

    Args:
        weight: Weights theta, any shape.
        forget: Importance for the forget samples, at least 0, same shape.
        train: Importance for all training samples, at least 0, same shape.
        selection: Selection threshold alpha.
        dampening: Dampening constant lambda.

    Returns:
        The new weights.

    Example:
        >>> one = torch.ones(3)
        >>> dampen(one, torch.tensor([1.0, 20.0, 0.0]), one, selection=10.0, dampening=1.0)
        tensor([1.0000, 0.0500, 1.0000])
    """
    selected = forget > selection * train
    factor = (dampening * train / forget.where(selected, torch.ones_like(forget))).clamp(max=1.0)
    return weight.where(~selected, weight * factor)
