"""Figure: methods at equal cost, distance to retraining against the images that their steps read.

References:
    [1] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
"""

import statistics

from unlearning_pl.benchmark.benchmark_table import DISTANCE
from unlearning_pl.benchmark.plan_figures import PASSES, PlanFigures
from unlearning_pl.benchmark.result_plots import cost_plot, mean_floor
from unlearning_pl.errors import InputError, printable
from unlearning_pl.figures.drawing import Drawing

_COLUMNS = ("model", "seeds", "passes", "distance_in_floors", "standard_deviation")


def equal_cost(figures: PlanFigures) -> Drawing:
    """Draw distance over floor of each method against its image passes, with the Pareto front.

    CoUn compares methods at equal floating-point operations [1]. Of one model these are in proportion to the images
    that pass through it, except that passes count an image once whatever its number of views, and no teacher.

    Args:
        figures: Figures of a plan.

    Raises:
        InputError: If no method has passes and a distance, or the plan has no floor.
    """
    plot = cost_plot(figures, PASSES)
    if plot is None:
        raise InputError(
            f"Expected results of {printable(figures.name)} with passes, retraining_distance and retraining_floor, got "
            "none. Give a benchmark with references: 2 or more, run by this version."
        )
    floor = mean_floor(figures)
    rows: list[tuple[str | int | float, ...]] = []
    for name in figures.methods:
        distances, passes = [*figures.values(name, DISTANCE).values()], figures.mean(name, PASSES)
        if distances and passes and floor:
            far, spread = statistics.mean(distances), statistics.stdev(distances) if len(distances) > 1 else 0.0
            rows.append((name, len(distances), passes, far / floor, spread / floor))
    missing = [name for name in figures.methods if name not in {row[0] for row in rows}]
    absent = f" Not drawn, without passes or a distance: {', '.join(missing)}." if missing else ""
    return Drawing(plot.figure, _COLUMNS, rows, f"{plot.caption} {_PASSES}{absent}")


_PASSES = (
    "Methods are compared at equal cost, as CoUn (arXiv 2509.16391) compares them at equal floating-point operations: "
    "passes count an image once, whatever its number of views."
)
