"""Optimal transport of numbers: to each value of one distribution the value of the same rank in another.

Letters: N values, M and L numbers in the two samples of the distributions.

References:
    [1] Villani, Topics in Optimal Transportation, AMS 2003, theorem 2.18 (the monotone map is optimal in one dimension)
    [2] Hyndman and Fan, Sample Quantiles in Statistical Packages, The American Statistician 1996 (definition 5)
"""

import torch
from torch import Tensor


def mid_ranks(values: Tensor, sample: Tensor) -> Tensor:
    """Fraction of a sample that is below each value, with values that are equal counted half.

    Args:
        values: ``(N,)``.
        sample: ``(M,)``, M >= 1.

    Returns:
        ``(N,)`` in [0, 1], with the dtype of the sample.

    Raises:
        ValueError: An empty sample.

    Example:
        >>> mid_ranks(torch.tensor([0.0, 2.0, 9.0]), torch.tensor([1.0, 2.0]))
        tensor([0.0000, 0.7500, 1.0000])
    """
    _require_sample(sample)
    ranked, values = sample.sort().values, values.contiguous()
    below = torch.searchsorted(ranked, values)
    not_above = torch.searchsorted(ranked, values, right=True)
    return (below + not_above).to(sample.dtype) / (2 * len(sample))


def quantiles(fractions: Tensor, sample: Tensor) -> Tensor:
    """Quantiles of a sample, interpolated between the mid-ranks of its numbers (Hazen's definition, 5 in [2]).

    The inverse of :func:`mid_ranks`: a number of the sample has itself as the quantile of its rank, unless it occurs
    twice.

    Args:
        fractions: ``(N,)`` in [0, 1].
        sample: ``(L,)``, L >= 1.

    Returns:
        ``(N,)``, between the least and the greatest number of the sample.

    Raises:
        ValueError: An empty sample.

    Example:
        >>> quantiles(torch.tensor([0.0, 0.25, 0.5, 1.0]), torch.tensor([3.0, 1.0]))
        tensor([1., 1., 2., 3.])
    """
    _require_sample(sample)
    ranked = sample.sort().values
    place = (fractions * len(ranked) - 0.5).clamp(0, len(ranked) - 1)
    low = place.floor().long()
    return torch.lerp(ranked[low], ranked[(low + 1).clamp_max(len(ranked) - 1)], (place - low).to(ranked.dtype))


def match_quantiles(values: Tensor, sample: Tensor, target: Tensor) -> Tensor:
    r"""The optimal map from one distribution to another, :math:`Q_{target}(F_{sample}(v))`, at each value [1].

    The mean distance of values to their images is the Wasserstein-1 distance of the two distributions.

    Args:
        values: v, ``(N,)``.
        sample: Numbers of the distribution of the values, ``(M,)``, M >= 1.
        target: Numbers of the other distribution, ``(L,)``, L >= 1.

    Returns:
        ``(N,)``.

    Raises:
        ValueError: An empty sample.

    Example:
        >>> match_quantiles(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]), torch.tensor([10.0, 30.0]))
        tensor([10., 30.])
    """
    return quantiles(mid_ranks(values, sample), target)


def _require_sample(sample: Tensor) -> None:
    if len(sample) == 0:
        raise ValueError("Expected a sample of one number or more, got none. Collect values before ranking by them.")
