"""The budget of a tuning, and checks that reported seeds and their requests take no part in it."""

from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

from unlearning_pl.benchmark.benchmark_plan import Plan
from unlearning_pl.errors import require

TUNE_SEED = 100_000
"""Default seed of the tuning, beyond reported seeds and their retrained models."""
TUNE_BOUND = 3.0
"""Default bound on test accuracy, in points below the mean of the retrained models."""
_DRAWN = ("fraction", "count", "per_class")
"""Fields of a request that draws at random."""


class Budget(NamedTuple):
    """What every row of a plan may spend.

    Attributes:
        trials: Number of trials a row, the plan's own settings among them.
        seed: Seed of the tuning: of its original, its request and its trials.
        bound: Points that the test accuracy of a trial may be below the mean of the retrained models.
        keep: Keep the runs of all trials, and not only of the best of each row.
    """

    trials: int
    seed: int = TUNE_SEED
    bound: float = TUNE_BOUND
    keep: bool = False

    def words(self) -> list[str]:
        """The budget as options of the command, without those that have their defaults.

        Example:
            >>> Budget(20, bound=5.0).words()
            ['--tune', '20', '--tune_bound', '5']
        """
        words = ["--tune", str(self.trials)]
        words += [] if self.seed == TUNE_SEED else ["--tune_seed", str(self.seed)]
        words += [] if self.bound == TUNE_BOUND else ["--tune_bound", f"{self.bound:g}"]
        return words + (["--keep_trials", "true"] if self.keep else [])


def check_tuning_request(plan: Plan, seeds: Sequence[int], budget: Budget) -> None:
    """Check a budget, and that neither the reported seeds nor a request with the same images take part in the tuning.

    Args:
        plan: The plan.
        seeds: Reported seeds.
        budget: The budget.

    Raises:
        InputError: If a number is out of its range, a seed of the tuning is one of the reported, or the request of the
            plan names the same images for every seed.

    Example:
        >>> from pathlib import Path
        >>> from unlearning_pl.benchmark.job import Job
        >>> check_tuning_request(Plan(Path("plan.yaml"), "", Job("", {"count": 8}, {})), [0, 1, 2], Budget(20))
    """
    require(budget.trials >= 1, f"Expected --tune >= 1 trials a method, got {budget.trials}. Give 20, for instance.")
    require(
        isfinite(budget.bound) and budget.bound >= 0,
        f"Expected --tune_bound >= 0 points, got {budget.bound}. Give 3, for instance.",
    )
    own = plan.job.reference_seeds(budget.seed)
    require(
        budget.seed >= 0 and own[-1] < 2**32,
        f"Expected --tune_seed from 0 to {2**32 - 1 - (own[-1] - budget.seed)}, got {budget.seed}. Choose another.",
    )
    reported = {other for seed in seeds for other in plan.job.reference_seeds(seed)}
    shared = sorted(reported & {*own})
    require(
        not shared,
        f"Expected a --tune_seed that shares no seed with the runs of --seeds, retrained models included, got "
        f"{shared[:1]} in both for {plan.path}. Choose another.",
    )
    require(
        any(plan.job.forget.get(field) is not None for field in _DRAWN),
        f"Expected a request by {', '.join(_DRAWN[:-1])} or {_DRAWN[-1]} in {plan.path} to tune it, got "
        f"{', '.join(plan.job.forget)}. It names the same images for every seed: tune a plan with other images, and "
        "copy the settings.",
    )
