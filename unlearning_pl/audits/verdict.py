"""The verdict of an audit: what it is based on, and what it may say.

No verdict follows from the absence of a difference: a model is called equivalent to retraining only where the audit has
shown that it detects the original, and that the model is within a margin of the retrained ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from torch import Tensor

from unlearning_pl.functional.auc_difference import AucDifference, ScorePair, auc_components

Kind = Literal["broken", "over-forgets", "remembers", "cannot tell", "equivalent"]
CONSTANT = 1e-5
"""Range of all scores below which a model answers every image alike."""
LEVEL, MARGIN = 0.05, 0.05
"""Default probability of a false verdict, and default difference of the AUC that counts as equivalent."""
UTILITY_MARGIN = 2.0
"""Points of accuracy or recall that a model may lose against the retrained ones."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict is based on.

    Attributes:
        attacks: Membership scores of the images to forget ``(M,)`` and of unseen images ``(L,)``, by attack; the first
            attack is the headline if the original does not choose one.
        utility: Whether the model is right on each test image, ``(N,)`` in [0, 1], by measure.
    """

    attacks: Mapping[str, ScorePair]
    utility: Mapping[str, Tensor] = field(default_factory=dict)

    @cached_property
    def components(self) -> dict[str, ScorePair]:
        """Components of the AUC by attack; sorted once, although a reference is compared with every model."""
        return {name: auc_components(*pair) for name, pair in self.attacks.items()}


@dataclass(frozen=True)
class Verdict:
    """A verdict with what it rests on.

    Attributes:
        kind: ``broken``, ``over-forgets``, ``remembers``, ``cannot tell`` or ``equivalent``, in this precedence.
        reason: Why, in one of the words of :data:`REASONS`.
        attack: The headline attack: the one that tells the original best.
        difference: The model's AUC minus that of the references, or 0.5, by attack.
        intervals: Simultaneous confidence interval of each of these differences, by attack.
        floor: Mean distance of the headline between retrained models; estimated from the images alone with one.
        level: Probability that a verdict other than ``cannot tell`` is false, over all attacks.
        margin: Largest difference of the AUC that counts as equivalent.
        detectable: AUC that the headline attack would have detected in 80 % of cases.
        needed: Images to forget that would do, where the verdict is ``cannot tell``.
        lost: Points of utility lost against the references, with an interval, by measure.
        compared: Number of retrained models that it was compared with.
    """

    kind: Kind
    reason: str
    attack: str
    difference: Mapping[str, AucDifference]
    intervals: Mapping[str, tuple[float, float]]
    floor: float | None
    level: float
    margin: float
    detectable: float
    needed: int | None = None
    lost: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    compared: int = 0

    @property
    def headline(self) -> AucDifference:
        """Difference of the headline attack."""
        return self.difference[self.attack]

    @property
    def interval(self) -> tuple[float, float]:
        """Interval of the headline's difference."""
        return self.intervals[self.attack]


REASONS = {
    "constant": "it gives all images the same score",
    "utility": "it has lost utility",
    "more": "the images to forget are more familiar to it",
    "less": "the images to forget are less familiar to it",
    "more_alone": "they are more familiar than unseen ones, of which they may differ in kind",
    "less_alone": "they are less familiar than unseen ones, and no retrained model shows why",
    "one_reference": "the images are of a kind of their own, and one retrained model shows no spread of trainings",
    "no_reference": "there is no retrained model to compare with",
    "no_original": "there is no original to show that the audit detects what was not forgotten",
    "original_near": "the original itself lies within the margin",
    "original": "the audit does not tell the original from the retrained models",
    "wide": "it is not shown to be within the margin",
    "no_utility": "its utility is not known, and may be lost",
    "one_utility": "one retrained model does not show how far trainings differ in utility",
    "utility_wide": "utility is not shown to be within its margin",
    "within": "all attacks and the utility are within their margins",
}
"""Reasons of a verdict, in words."""
