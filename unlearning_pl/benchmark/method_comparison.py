"""Which methods of a plan are told apart over its seeds, and which are marked as best and second."""

from typing import Literal, NamedTuple

import torch

from unlearning_pl.benchmark.plan_figures import PlanFigures
from unlearning_pl.functional.blocked_tukey import blocked_tukey_hsd

LEVEL = 0.05
"""Family-wise error of the comparison of all pairs."""
Mark = Literal["best", "second"]


class Comparison(NamedTuple):
    """Comparison of all pairs of methods by their distances to retraining.

    Attributes:
        methods: The methods compared, the nearest to retraining first.
        apart: Whether two of them are told apart, ``(K, K)``.
        left_out: Methods that lack the metric in a seed, and broken ones.
        seeds: Number of seeds.
    """

    methods: list[str]
    apart: list[list[bool]]
    left_out: list[str]
    seeds: int


def compare_methods(figures: PlanFigures, key: str) -> Comparison:
    """Compare the distances of a metric to retraining over the seeds, see :func:`blocked_tukey_hsd`.

    Compared are methods with a distance in each seed, without those that are broken in any: a model that lost its
    accuracy is no better for being near in one metric.

    Args:
        figures: Figures of the plan.
        key: Key of the metric.
    """
    distances = {name: figures.distances(name, key) for name in figures.methods}
    complete = [n for n, by_seed in distances.items() if len(by_seed) == len(figures.seeds) and n not in figures.broken]
    values = torch.tensor([[distances[n][seed] for n in complete] for seed in figures.seeds], dtype=torch.float64)
    order = values.mean(0).argsort(stable=True)
    names = [complete[row] for row in order.tolist()]
    left_out = [name for name in figures.methods if name not in names]
    return Comparison(names, blocked_tukey_hsd(values[:, order], LEVEL).tolist(), left_out, len(figures.seeds))


def find_marks(comparison: Comparison) -> dict[str, Mark]:
    """Mark the best method if it is told apart from the second, and then the second if it is from the third.

    Example:
        >>> yes, no = True, False
        >>> find_marks(Comparison(["a", "b", "c"], [[no, yes, yes], [yes, no, no], [yes, no, no]], [], 3))
        {'a': 'best'}
    """
    methods, apart = comparison.methods, comparison.apart
    marks: dict[str, Mark] = {}
    if len(methods) > 1 and apart[0][1]:
        marks[methods[0]] = "best"
        if len(methods) > 2 and apart[1][2]:
            marks[methods[1]] = "second"
    return marks


def describe_pairs(comparison: Comparison) -> str:
    """Say which pairs are told apart, in one line.

    Example:
        >>> describe_pairs(Comparison(["a", "b"], [[False, True], [True, False]], ["c"], 3))
        "Told apart in distance to retraining (Tukey's HSD over 3 seeds, 5 %): a is nearer than b. Not compared: c."
    """
    names, rest = comparison.methods, ""
    if comparison.left_out:
        rest = f" Not compared: {', '.join(comparison.left_out)}."
    if comparison.seeds < 2:
        return f"One seed has no spread, so that no methods are told apart.{rest}"
    nearer = [
        f"{name} is nearer than {farther}" for row, name in enumerate(names) if (farther := _farther(comparison, row))
    ]
    if len(names) < 2:
        return f"Fewer than two methods can be compared.{rest}"
    test = f"Tukey's HSD over {comparison.seeds} seeds, {LEVEL:.0%}".replace("%", " %")
    if not nearer:
        return f"No two methods are told apart in distance to retraining ({test}).{rest}"
    return f"Told apart in distance to retraining ({test}): {'; '.join(nearer)}.{rest}"


def _farther(comparison: Comparison, row: int) -> str:
    """The methods that are told apart from one and farther: all from the first of them on, in the order of means.

    A table has others between them, which are not compared.
    """
    farther = [name for name, apart in zip(comparison.methods, comparison.apart[row], strict=True) if apart]
    farther = [name for name in farther if comparison.methods.index(name) > row]
    if len(farther) < 3:
        return " and ".join(farther)
    return f"{farther[0]} and the {len(farther) - 1} compared methods after it"
