"""Projection heads by kind: those of lightly, and those that other code bases train.

Letters: B rows of a batch, D width of the features, E of the embedding.
"""

from collections.abc import Callable
from typing import Literal

from lightly.models.modules.heads import ProjectionHead
from torch import nn

from unlearning_pl.errors import require

HeadKind = Literal["lightly", "mlp", "mlp_bn", "linear"]
"""Kinds of projection heads, see :func:`build_projection_head`."""


def build_projection_head(
    kind: HeadKind, lightly: Callable[[int, int, int], nn.Module], features: int, hidden: int | None, embedding: int
) -> nn.Module:
    """Build a projection head with random weights, features ``(B, D)`` to embeddings ``(B, E)``.

    Args:
        kind: ``lightly``, the head of lightly for the learner; ``mlp``, two linear layers with a ReLU between (SimCLR
            in solo-learn and in most PyTorch code, MoCo v2); ``mlp_bn``, the same with batch normalisation before the
            ReLU (BYOL in solo-learn); ``linear``, one layer (MoCo v1).
        lightly: Builds lightly's head from D, the width of the hidden layer and E.
        features: D.
        hidden: Width of the hidden layer; D by default.
        embedding: E.

    Raises:
        InputError: If a width is not positive, or ``hidden`` is given for one layer.

    Example:
        >>> [*build_projection_head("mlp", ProjectionHead, 8, None, 4).state_dict()]
        ['layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias']
    """
    require(embedding >= 1, f"Expected projection_dim >= 1, got {embedding}. Papers use 128 or more.")
    require(hidden is None or hidden >= 1, f"Expected hidden_dim >= 1, got {hidden}. Papers use 128 or more.")
    require(
        kind != "linear" or hidden is None,
        f"Expected no hidden_dim with projection_head = linear, got {hidden}. Leave it out.",
    )
    width = features if hidden is None else hidden
    if kind == "lightly":
        return lightly(features, width, embedding)
    norm = nn.BatchNorm1d(width) if kind == "mlp_bn" else None
    layers = [(features, width, norm, nn.ReLU(), True), (width, embedding, None, None)]
    head: nn.Module = ProjectionHead([(features, embedding, None, None)] if kind == "linear" else layers)
    return head
