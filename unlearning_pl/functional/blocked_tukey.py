"""Comparison of all pairs of treatments in a randomised complete block design, by Tukey's HSD.

Every treatment (a method) is measured once in every block (a seed). A block shifts all its values alike, so that its
mean is removed before the treatments are compared. Letters: N blocks, K treatments.

References:
    [1] Tukey, Comparing Individual Means in the Analysis of Variance, Biometrics 1949
    [2] Montgomery, Design and Analysis of Experiments, chapter 4, randomised complete block designs
"""

from functools import cache
from math import sqrt

import torch
from scipy import stats
from torch import Tensor

_ROUNDING = 1e-12  # of the largest value: that of the order in which numbers are added
_COARSE = 1e-4  # of the range of the means: percentages in float32 differ by this much where counts of images agree


def blocked_tukey_hsd(values: Tensor, level: float = 0.05) -> Tensor:
    r"""Which pairs of treatments are told apart, with a family-wise error of ``level`` [1, 2].

    Treatments i and j are told apart if :math:`|m_i - m_j| > q \sqrt{s^2 / N}`, where :math:`m` are the means over the
    blocks, :math:`s^2` is the mean square of the residuals :math:`x_{ni} - m_i - b_n + m` with :math:`(K - 1)(N - 1)`
    degrees of freedom, and q is the upper ``level`` quantile of the studentised range of K means with these. The test
    of :func:`scipy.stats.tukey_hsd` on values without their block's mean has the same residuals, but counts
    :math:`K (N - 1)` degrees of freedom, as if no block mean had been estimated.

    Args:
        values: ``(N, K)``, finite.
        level: Probability that any pair is told apart if all treatments are equal, in (0, 1).

    Returns:
        ``(K, K)`` bool, symmetric; all false with a single block or treatment, and without any residual: the same
        differences in all blocks are a coincidence of coarse values (an accuracy on few images), and show no spread.

    Raises:
        ValueError: If a value is not finite, or the values are no matrix.

    Example:
        >>> blocked_tukey_hsd(torch.tensor([[1.0, 2.0, 2.1], [5.0, 6.1, 6.0], [3.0, 4.0, 4.0]]))
        tensor([[False,  True,  True],
                [ True, False, False],
                [ True, False, False]])
    """
    if values.ndim != 2 or not torch.isfinite(values).all():
        raise ValueError(f"Expected finite values (N, K), got shape {tuple(values.shape)}. Leave out what is missing.")
    blocks, treatments = values.shape
    values = values.double()
    if blocks < 2 or treatments < 2:
        return torch.zeros(treatments, treatments, dtype=torch.bool)
    means = values.mean(0)
    residuals = values - means - values.mean(1, keepdim=True) + values.mean()
    freedom = (blocks - 1) * (treatments - 1)
    spread = sqrt(residuals.square().sum().item() / freedom)
    if spread <= max(_COARSE * (means.max() - means.min()).item(), _ROUNDING * values.abs().max().item()):
        return torch.zeros(treatments, treatments, dtype=torch.bool)
    half_width = _studentized_range(level, treatments, freedom) * spread / sqrt(blocks)
    return (means[:, None] - means).abs() > half_width


@cache
def _studentized_range(level: float, treatments: int, freedom: int) -> float:
    """Upper quantile of the studentised range; computed once, since it takes a tenth of a second or more."""
    return float(stats.studentized_range.isf(level, treatments, freedom))
