"""Plots of results made by hand: which points and lines they have, and when there is none."""

from dataclasses import dataclass

import pytest
from made_results import made_results
from matplotlib.axes import Axes

from unlearning_pl.benchmark.plan_figures import PlanFigures, plan_figures
from unlearning_pl.benchmark.request_families import request_families
from unlearning_pl.benchmark.result_plots import Plot, cost_plot, request_plot, share_plot
from unlearning_pl.benchmark.results import Result

DISTANCES = {"near": [0.02, 0.04], "middle": [0.10, 0.12], "far": [0.20, 0.22], "lost": [0.0, 0.0]}
SECONDS = {"near": 8.0, "middle": 2.0, "far": 4.0, "lost": 1.0}


@dataclass
class Line:
    x: list[float]
    y: list[float]


def lines(plot: Plot | None) -> dict[str, Line]:
    """What is drawn by its label."""
    assert plot is not None
    axes: Axes = plot.figure.axes[0]
    drawn = {str(line.get_label()): line for line in axes.lines}
    drawn |= {str(bars.get_label()): bars[0] for bars in axes.containers}
    return {name: Line([*map(float, one.get_xdata())], [*map(float, one.get_ydata())]) for name, one in drawn.items()}


def timed(results: list[Result], broken: str = "lost") -> PlanFigures:
    rows = [row._replace(value=SECONDS.get(row.model, 60.0)) if row.metric == "seconds" else row for row in results]
    return plan_figures(rows)[0]


def test_distance_in_floors_against_seconds_with_the_front_of_unbroken_methods() -> None:
    drawn = lines(cost_plot(timed(made_results(DISTANCES, broken=["lost"]))))
    assert drawn["near"].x == [8.0]
    assert drawn["near"].y == pytest.approx([1.5])  # 0.03 over a floor of 0.02
    plot = cost_plot(timed(made_results(DISTANCES)))
    assert plot is not None
    bar = next(one for one in plot.figure.axes[0].containers if one.get_label() == "near")
    low, high = bar[2][0].get_segments()[0][:, 1]
    assert (high - low) / 2 == pytest.approx(0.5**0.5)  # the standard deviation of 1 and 2 floors
    assert drawn["Pareto front"].x == [2.0, 8.0]  # far is beaten by middle, lost is broken
    assert drawn["Pareto front"].y == pytest.approx([5.5, 1.5])
    assert drawn["floor"].y == [1, 1]
    assert drawn["original"].y == pytest.approx([15, 15])
    assert drawn["retraining"].x == [60, 60]


def test_the_time_of_retraining_is_the_mean_of_all_retrained_models() -> None:
    rows = made_results(DISTANCES)
    second = [row._replace(model="retrained_2") for row in rows if row.model == "retrained"]
    second = [row._replace(value=29.0) if row.metric == "seconds" else row for row in second]
    assert lines(cost_plot(plan_figures([*rows, *second])[0]))["retraining"].x == [19, 19]


def test_without_a_floor_or_seconds_nothing_is_drawn() -> None:
    rows = made_results(DISTANCES)
    for missing in ("retraining_floor", "seconds", "retraining_distance"):
        assert cost_plot(plan_figures([row for row in rows if row.metric != missing])[0]) is None
    zero = [row._replace(value=0.0) if row.metric == "retraining_floor" else row for row in rows]
    assert cost_plot(plan_figures(zero)[0]) is None


def test_plans_that_differ_by_their_request_make_a_curve() -> None:
    small, large = made_results(DISTANCES, "small", 0.1), made_results({"near": [0.08, 0.08]}, "large", 0.5)
    (family,) = request_families(plan_figures([*large, *small]))
    assert (family.unit, family.sizes, [plan.name for plan in family.plans]) == (
        "fraction",
        [0.1, 0.5],
        ["small", "large"],
    )
    drawn = lines(share_plot(family))
    assert drawn["near"].x == [10, 50]
    assert drawn["near"].y == pytest.approx([1.5, 4])
    assert "far" not in drawn  # one point


def test_broken_methods_have_no_curve_but_a_name() -> None:
    small, large = made_results(DISTANCES, "small", 0.1, broken=["lost"]), made_results(DISTANCES, "large", 0.5)
    plot = share_plot(request_families(plan_figures([*large, *small]))[0])
    assert "lost" not in lines(plot)  # one point is left
    assert plot is not None
    assert plot.caption.endswith(" Broken in a seed or more, and not drawn: lost of small.")


@pytest.mark.parametrize("count", [2, 40])
def test_the_legend_fits_beside_the_axes(count: int) -> None:
    plot = cost_plot(plan_figures(made_results({f"method_{number}": [0.1, 0.2] for number in range(count)}))[0])
    assert plot is not None
    plot.figure.draw_without_rendering()
    legend = plot.figure.legends[0].get_window_extent()
    assert 0 <= legend.y0 < legend.y1 <= plot.figure.bbox.height


def test_a_name_that_begins_with_an_underscore_is_in_the_legend() -> None:
    plot = cost_plot(plan_figures(made_results({"_own": [0.1, 0.2]}))[0])
    assert plot is not None
    assert " _own" in [text.get_text() for text in plot.figure.legends[0].get_texts()]


@pytest.mark.parametrize("share", ["much", "nan", "-0.1"])
def test_a_request_without_a_size_is_in_no_family(share: str) -> None:
    one, other = made_results(DISTANCES, "one", 0.1), made_results(DISTANCES, "other", 0.5)
    other = [row._replace(command=row.command.replace("0.5", share)) for row in other]
    assert request_families(plan_figures([*one, *other])) == []


def test_other_plans_are_no_family() -> None:
    one, other = made_results(DISTANCES, "one", 0.1), made_results(DISTANCES, "other", 0.5)
    assert request_families(plan_figures(one)) == []
    assert request_families(plan_figures([*one, *made_results(DISTANCES, "same", 0.1)])) == []
    trained = [row._replace(command=row.command.replace("a.yaml", "b.yaml")) for row in other]
    assert request_families(plan_figures([*one, *trained])) == []
    unknown = [row._replace(command="") for row in other]
    assert request_families(plan_figures([*one, *unknown])) == []


def test_distances_along_sequential_requests() -> None:
    auc = {"retrained": (0.5, 0.4), "near": (0.55, 0.6), "original": (0.9, 0.9)}
    rows = [
        Result("p", 0, name, "method" if name == "near" else name, f"step{step}/{key}", value)  # type: ignore[arg-type]
        for name, values in auc.items()
        for step, one in enumerate(values, 1)
        for key, value in (("count", 4.0), ("membership_auc", one))
    ]
    other = Result("p", 0, "near", "method", "stepX/count", 1.0)  # of another program
    near = lines(request_plot(plan_figures([*rows, other])[0]))["near"]
    assert near.x == [1, 2]
    assert near.y == pytest.approx([0.05, 0.2])
    broken = Result("p", 0, "near", "method", "broken", 1.0)
    assert request_plot(plan_figures([*rows, broken])[0]) is None
    assert request_plot(plan_figures(made_results(DISTANCES))[0]) is None
