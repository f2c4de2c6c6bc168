"""Distance of a model's membership AUC from that of retrained models, with its standard error.

All models score the same images, so that their AUCs are correlated: the standard error is that of the difference [1].
Letters: M members (here: forget), L non-members (unseen), K references.

References:
    [1] DeLong, DeLong and Clarke-Pearson, Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves: A Nonparametric Approach, Biometrics 1988
    [2] Welch, The Generalization of "Student's" Problem when Several Different Population Variances are Involved,
        Biometrika 1947
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, inf, sqrt

import torch
from scipy import stats
from torch import Tensor

from unlearning_pl.functional.roc import membership_auc

ScorePair = tuple[Tensor, Tensor]  # of members (M,) and non-members (L,), by one model


@dataclass(frozen=True)
class AucDifference:
    """A model's AUC minus the mean AUC of the references, or minus 0.5 without any.

    Attributes:
        auc: The model's AUC, in [0, 1].
        reference: Mean AUC of the references, or 0.5.
        image_error: Standard error of the difference by the choice of the images.
        training_error: The same by the trainings, where they may differ; else 0.
        freedom: Degrees of freedom of the standard error, may be infinite.
        floor: Mean distance of a reference from the other ones; None with fewer than two.
        references: Number of references.
    """

    auc: float
    reference: float
    image_error: float
    training_error: float = 0.0
    freedom: float = inf
    floor: float | None = None
    references: int = 0

    @property
    def value(self) -> float:
        """The difference."""
        return self.auc - self.reference

    @property
    def standard_error(self) -> float:
        """Standard error of the difference."""
        return hypot(self.image_error, self.training_error)

    def interval(self, level: float) -> tuple[float, float]:
        """Two-sided confidence interval that misses the true difference with probability ``level``."""
        half = float(stats.t.ppf(1 - level / 2, self.freedom)) * self.standard_error
        return self.value - half, self.value + half


def auc_components(members: Tensor, non_members: Tensor) -> ScorePair:
    """Components of the AUC [1]: for each member the share of non-members below it, for each non-member that above it.

    Args:
        members: Scores ``(M,)``.
        non_members: Scores ``(L,)``.

    Returns:
        ``(M,)`` and ``(L,)`` float64; the mean of either is the AUC. Ties count half.

    Raises:
        ValueError: An empty set.

    Example:
        >>> auc_components(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]))
        (tensor([1.0000, 0.2500], dtype=torch.float64), tensor([0.5000, 0.7500], dtype=torch.float64))
    """
    membership_auc(members, non_members)  # checks the sets
    return _share_below(members, non_members), 1 - _share_below(non_members, members)


def auc_difference(model: ScorePair, references: Sequence[ScorePair] = (), drawn: bool = True) -> AucDifference:
    """Difference between a model's AUC and the mean AUC of models that were retrained without the members.

    Images are the units. For members and non-members drawn from one population every retrained model has an AUC of 0.5,
    whatever its seed, so the error of the images is all there is. Where they are not (``drawn = False``: a request of a
    class), trainings differ as well: the variance among the references is added, with their degrees of freedom; one
    reference does not show it. Without references the model is compared with 0.5, by the error of the Mann-Whitney
    statistic under equality.

    Args:
        model: The model's scores of members ``(M,)`` and non-members ``(L,)``, three or more each for an error.
        references: The same images' scores by each retrained model.
        drawn: Whether members and non-members are drawn from one population.

    Raises:
        ValueError: An empty set, or references with other numbers of images.

    Example:
        >>> scores = torch.linspace(0, 1, 20)
        >>> auc_difference((scores, scores)).value
        0.0
        >>> difference = auc_difference((scores + 0.3, scores), [(scores, scores)])
        >>> difference.interval(0.05)[0] > 0
        True
    """
    return component_difference(auc_components(*model), [auc_components(*pair) for pair in references], drawn)


def component_difference(model: ScorePair, references: Sequence[ScorePair] = (), drawn: bool = True) -> AucDifference:
    """The same as :func:`auc_difference`, from components that were computed once for several comparisons.

    Args:
        model: The model's components ``(M,)`` and ``(L,)``, see :func:`auc_components`.
        references: Those of each retrained model.
        drawn: Whether members and non-members are drawn from one population.

    Raises:
        ValueError: References with other numbers of images.

    Example:
        >>> component_difference((torch.tensor([1.0, 0.25]), torch.tensor([0.5, 0.75]))).auc
        0.625
    """
    m, n = len(model[0]), len(model[1])
    auc = model[0].mean().item()
    if not references:
        return AucDifference(auc, 0.5, sqrt((m + n + 1) / (12 * m * n)))
    if any((len(r[0]), len(r[1])) != (m, n) for r in references):
        raise ValueError(f"Expected references with scores of the same {m} and {n} images. Audit them together.")
    aucs = [members.mean().item() for members, _ in references]
    mean = tuple(torch.stack(parts).mean(0) for parts in zip(*references, strict=True))
    parts = [_image_variance(ours - theirs) for ours, theirs in zip(model, mean, strict=True)]
    images = sum(value for value, _ in parts)
    freedom, training = min(welch_freedom(parts), max(1.0, min(m, n) - 1.0)), 0.0
    if not drawn and len(aucs) > 1:
        training = torch.tensor(aucs, dtype=torch.float64).var().item() * (1 + 1 / len(aucs))
        freedom = len(aucs) - 1.0
    return AucDifference(auc, sum(aucs) / len(aucs), sqrt(images), sqrt(training), freedom, _floor(aucs), len(aucs))


def welch_freedom(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances [2]; infinite if all are zero.

    Args:
        parts: Variances with their degrees of freedom.

    Example:
        >>> welch_freedom([(1.0, 4.0), (1.0, 4.0)])
        8.0
    """
    total = sum(value for value, _ in parts)
    if not 0 < total < inf:
        return inf if total == 0 else 1.0
    return total**2 / sum(value**2 / freedom for value, freedom in parts if value > 0)


def _share_below(scores: Tensor, others: Tensor) -> Tensor:
    ranked, scores = others.sort().values, scores.contiguous()
    below = torch.searchsorted(ranked, scores) + torch.searchsorted(ranked, scores, right=True)
    return below.double() / (2 * len(others))


def _image_variance(components: Tensor) -> tuple[float, float]:
    """Variance of the mean of components, and its degrees of freedom; infinite for two images, which may agree."""
    count = len(components)
    if count < 3:
        return inf, 0.0
    return components.var().item() / count, count - 1.0


def _floor(aucs: Sequence[float]) -> float | None:
    count, total = len(aucs), sum(aucs)
    if count < 2:
        return None
    return sum(abs(auc - (total - auc) / (count - 1)) for auc in aucs) / count
