"""The Pareto front of points of which every coordinate is to be small.

Letters: N points, D coordinates.
"""

import torch
from torch import Tensor


def pareto_front(points: Tensor) -> Tensor:
    """Which points no other point dominates: one that is nowhere larger, and smaller in at least one coordinate.

    Equal points do not dominate one another: all of them are on the front or none is.

    Args:
        points: ``(N, D)``, finite; smaller is better in each coordinate.

    Returns:
        ``(N,)`` bool.

    Raises:
        ValueError: If a coordinate is not finite, or the points are no matrix.

    Example:
        >>> pareto_front(torch.tensor([[1.0, 5.0], [2.0, 3.0], [3.0, 4.0], [4.0, 1.0]]))
        tensor([ True,  True, False,  True])
    """
    if points.ndim != 2 or not torch.isfinite(points).all():
        raise ValueError(f"Expected finite points (N, D), got shape {tuple(points.shape)}. Leave out what is missing.")
    smaller, larger = points[:, None] < points, points[:, None] > points  # (N, N, D): the first against the second
    dominates = smaller.any(-1) & ~larger.any(-1)
    return ~dominates.any(0)
