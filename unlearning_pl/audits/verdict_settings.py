"""Settings of the verdicts of one audit, which are the same for all of its models."""

from dataclasses import dataclass

from unlearning_pl.audits.verdict import LEVEL, MARGIN
from unlearning_pl.errors import require


@dataclass(frozen=True)
class VerdictSettings:
    """How verdicts are reached, see :func:`unlearning_pl.audits.judge_model.judge_model`.

    Attributes:
        level: Probability of a false verdict, in (0, 0.5).
        margin: Difference of the AUC that counts as equivalent to retraining, in (0, 0.5).
        drawn: Whether the images to forget were drawn at random from those that the unseen ones stand for.

    Raises:
        InputError: If level or margin is outside of its range.

    Example:
        >>> VerdictSettings(level=0.01)
        VerdictSettings(level=0.01, margin=0.05, drawn=True)
    """

    level: float = LEVEL
    margin: float = MARGIN
    drawn: bool = True

    def __post_init__(self) -> None:
        require(0 < self.level < 0.5, f"Expected level above 0 and below 0.5, got {self.level}. 0.05 is usual.")
        require(
            0 < self.margin < 0.5,
            f"Expected margin above 0 and below 0.5, a difference of the AUC, got {self.margin}. 0.05 is usual.",
        )


DEFAULT_SETTINGS = VerdictSettings()
