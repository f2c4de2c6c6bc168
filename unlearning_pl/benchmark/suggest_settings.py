"""The next settings to try: points that cover the ranges, then the tree-structured Parzen estimator of Optuna."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from math import inf
from typing import TYPE_CHECKING, Any

from scipy.stats import qmc

from unlearning_pl.benchmark.search_spaces import SearchSpace
from unlearning_pl.benchmark.tuning_ranges import Range
from unlearning_pl.benchmark.tuning_trials import Trial
from unlearning_pl.errors import require

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        InputError: If it is not.

    Example:
        >>> require_optuna()
    """
    require(
        find_spec("optuna") is not None,
        "Expected optuna for --tune, got an environment without it. pip install 'unlearning-pl[tune]'.",
    )


SEARCH = 1
"""Version of the search, to be raised by a change that lets the same arguments give other settings."""
FIRST_TRIALS = 10
"""Trials that cover the ranges, whatever the figures of those before: the first wave."""
WAVE = 5
"""Trials of a later wave, which know the figures of the waves before and not of one another."""


def wave_start(number: int) -> int:
    """Number of the first trial of a trial's wave.

    Example:
        >>> [wave_start(number) for number in (0, 9, 10, 14, 15)]
        [0, 0, 10, 10, 15]
    """
    return 0 if number < FIRST_TRIALS else number - (number - FIRST_TRIALS) % WAVE


def suggest_settings(
    space: SearchSpace, trials: Sequence[Trial], seed: int, bound: float, number: int | None = None
) -> dict[str, Any]:
    """The settings of a trial: the plan's own first, then nine points of a Sobol sequence, then those of TPE.

    A scrambled Sobol sequence covers the ranges evenly, also with few points, where random draws may coincide. TPE:
    Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011. The settings are a function of the
    arguments and of the waves before alone: a tuning that was stopped continues as if it had not been.

    Args:
        space: What is tuned.
        trials: The trials so far. One that breaks the bound counts by how far; one without figures as the worst. Those
            of the trial's own wave are left aside.
        seed: Seed of the draws.
        bound: Points that the test accuracy may be below that of the retrained models.
        number: Number of the trial; the next one by default.

    Returns:
        Value by option; numbers with four significant digits, as the command line has them.

    Example:
        >>> space = SearchSpace({"--optimizer.lr": Range(0.001, 0.1, log=True)}, {"--optimizer.lr": 0.05}, {})
        >>> suggest_settings(space, [], seed=7, bound=3.0)
        {'--optimizer.lr': 0.05}
        >>> 0.001 <= suggest_settings(space, [Trial(space.own, 0.2)], seed=7, bound=3.0)["--optimizer.lr"] <= 0.1
        True
    """
    number = len(trials) if number is None else number
    if number == 0:
        return dict(space.own)
    if number < FIRST_TRIALS:
        points = qmc.Sobol(len(space.ranges), seed=seed).random_base2(4)
        return {
            option: _round(given.at(float(share)), given)
            for (option, given), share in zip(space.ranges.items(), points[number - 1], strict=True)
        }
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {option: _distribution(given) for option, given in space.ranges.items()}
    sampler = optuna.samplers.TPESampler(seed=(seed + number) % 2**32, n_startup_trials=FIRST_TRIALS)
    study = optuna.create_study(direction="minimize", sampler=sampler)
    for trial in trials[: wave_start(number)]:
        study.add_trial(_frozen(trial, distributions, bound))
    drawn = study.ask(distributions).params
    return {option: _round(drawn[option], given) for option, given in space.ranges.items()}


def _distribution(given: Range) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if given.choices:
        return CategoricalDistribution(given.choices)
    if given.whole:
        return IntDistribution(int(given.low), int(given.high), log=given.log)
    return FloatDistribution(given.low, given.high, log=given.log)


def _frozen(trial: Trial, distributions: Mapping[str, "BaseDistribution"], bound: float) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    excess = inf if trial.accuracy_drop is None else trial.accuracy_drop - bound
    return create_trial(
        state=TrialState.PRUNED if trial.distance is None else TrialState.COMPLETE,
        value=trial.distance,
        params=dict(trial.settings),
        distributions=dict(distributions),
        constraints={"test accuracy": excess},
    )


def _round(value: Any, given: Range) -> Any:
    if given.choices or given.whole:
        return value
    return min(max(float(f"{value:.4g}"), given.low), given.high)
