"""Figures of one plan by model and seed, with the quantities that papers derive from those of the report."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from unlearning_pl.audits.compare_models import mean_of_references
from unlearning_pl.benchmark.benchmark_table import DISTANCE
from unlearning_pl.benchmark.results import BROKEN, Result
from unlearning_pl.benchmark.run_options import plan_options
from unlearning_pl.report.metric_terms import BY_KEY

FLOOR = "retraining_floor"
COUN_GAP, FORGET_ERROR, PASSES = "coun_gap", "forget_error", "passes"
"""Derived: CoUn's average gap, 100 minus the forget accuracy, and the image passes of the run."""
DERIVED = (COUN_GAP, FORGET_ERROR, PASSES)
_COUN_METRICS = ("retain_accuracy", "forget_accuracy", "test_accuracy", "classifier_mi")
_DISTANCES = (DISTANCE, "average_gap", COUN_GAP)  # these are distances to retraining themselves
_Metrics = dict[str, dict[int, dict[str, float]]]  # by model, seed and key


class PlanFigures(NamedTuple):
    """Figures of one plan.

    Attributes:
        name: Name of the plan.
        seeds: Seeds with any result, in ascending order.
        roles: Role of each model.
        metrics: Value by model, seed and key of the metric; a metric that is not defined is absent.
        commands: Command of each model of the first seed that has one.
        mixed: Models whose options differ between seeds: the plan was changed, and some seeds were not repeated.
    """

    name: str
    seeds: list[int]
    roles: Mapping[str, str]
    metrics: Mapping[str, Mapping[int, Mapping[str, float]]]
    commands: Mapping[str, str]
    mixed: Sequence[str] = ()

    def values(self, model: str, key: str) -> dict[int, float]:
        """Values of a metric of a model by seed, where it is defined."""
        return {seed: one[key] for seed, one in self.metrics.get(model, {}).items() if key in one}

    def mean(self, model: str, key: str) -> float | None:
        """Mean of a metric over the seeds, or None."""
        values = self.values(model, key).values()
        return statistics.mean(values) if values else None

    def distances(self, model: str, key: str) -> dict[int, float]:
        """Distance of a metric to the mean of the retrained models by seed; empty if the metric has none."""
        if key in _DISTANCES:
            return self.values(model, key)
        if key != FORGET_ERROR and not (key in BY_KEY and BY_KEY[key].compared):
            return {}
        references = {seed: self._reference(seed, key) for seed in self.seeds}
        own = self.values(model, key)
        return {seed: abs(value - mean) for seed, value in own.items() if (mean := references[seed]) is not None}

    @property
    def broken(self) -> list[str]:
        """Methods that the verdict calls broken in a seed or more."""
        return [name for name in self.methods if any(self.values(name, BROKEN).values())]

    @property
    def sound(self) -> list[str]:
        """Methods that are broken in no seed, in the order of :attr:`methods`."""
        return [name for name in self.methods if name not in self.broken]

    @property
    def methods(self) -> list[str]:
        """Names of the methods: the nearest to retraining first, those without a distance last."""
        names = [name for name, role in self.roles.items() if role == "method"]
        distance = {name: self.mean(name, DISTANCE) for name in names}
        return sorted(names, key=lambda name: (distance[name] is None, distance[name] or 0.0, name))

    @property
    def references(self) -> list[str]:
        """Names of the retrained models, then of the original."""
        return sorted((n for n, role in self.roles.items() if role != "method"), key=lambda n: (n == "original", n))

    @property
    def retrained(self) -> list[str]:
        """Names of the retrained models."""
        return [name for name, role in self.roles.items() if role == "retrained"]

    @property
    def known(self) -> set[str]:
        """Keys of the metrics that any model has."""
        return {key for seeds in self.metrics.values() for one in seeds.values() for key in one}

    def _reference(self, seed: int, key: str) -> float | None:
        return mean_of_references([self.metrics[name].get(seed, {}).get(key) for name in self.retrained])


def plan_figures(results: Sequence[Result]) -> list[PlanFigures]:
    """Group results by plan, and add derived metrics.

    Args:
        results: Rows of one or more plans.

    Example:
        >>> rows = [Result("digits", 0, "ac", "method", "forget_accuracy", 90.0, passes=400)]
        >>> plan_figures(rows)[0].values("ac", "forget_error"), plan_figures(rows)[0].values("ac", "passes")
        ({0: 10.0}, {0: 400})
    """
    plans = defaultdict(list)
    for row in results:
        plans[row.plan].append(row)
    return [_figures(name, rows) for name, rows in plans.items()]


def _figures(name: str, rows: Sequence[Result]) -> PlanFigures:
    metrics: _Metrics = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        one = metrics[row.model][row.seed]
        one[row.metric] = row.value
        if row.passes:  # a method that takes no step has none that compare
            one[PASSES] = row.passes
        if row.metric == "forget_accuracy":
            one[FORGET_ERROR] = 100 - row.value
    roles = {row.model: row.role for row in rows}
    _add_coun_gaps(metrics, [name for name, role in roles.items() if role == "retrained"])
    commands = {row.model: row.command for row in reversed(rows) if row.command}
    lines = {(row.model, row.command) for row in rows if row.command}
    options = {(model, tuple(plan_options(command))) for model, command in lines}
    mixed = [model for model, count in Counter(model for model, _ in options).items() if count > 1]
    return PlanFigures(name, sorted({row.seed for row in rows}), roles, dict(metrics), commands, sorted(mixed))


def _add_coun_gaps(metrics: _Metrics, retrained: Sequence[str]) -> None:
    """Mean distance over CoUn's four metrics (arXiv 2509.16391); a retrained model's is that to the other ones."""
    for model, seeds in metrics.items():
        others = [name for name in retrained if name != model] or list(retrained)
        for seed, one in seeds.items():
            means = [mean_of_references([metrics[o].get(seed, {}).get(key) for o in others]) for key in _COUN_METRICS]
            pairs = [(one.get(key), mean) for key, mean in zip(_COUN_METRICS, means, strict=True)]
            gaps = [abs(own - mean) for own, mean in pairs if own is not None and mean is not None]
            if len(gaps) == len(_COUN_METRICS):
                one[COUN_GAP] = statistics.mean(gaps)
