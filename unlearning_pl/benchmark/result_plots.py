"""Plots of results: distance over floor against cost and against the share forgotten, and along requests."""

import re
import statistics
from collections.abc import Iterable, Sequence
from itertools import cycle
from math import isfinite
from typing import Any, NamedTuple

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unlearning_pl.benchmark.benchmark_table import DISTANCE
from unlearning_pl.benchmark.plan_figures import FLOOR, PlanFigures
from unlearning_pl.benchmark.request_families import Family
from unlearning_pl.functional.pareto_front import pareto_front
from unlearning_pl.report.figures import INK, style_axes
from unlearning_pl.report.metric_terms import attack_key
from unlearning_pl.report.wording import pluralize

_MARKERS = "osD^vP*Xp<>h"
_COSTS = {"seconds": "Seconds of unlearning", "passes": "Images that the training steps read"}
_UNITS = {"fraction": "Training images forgotten, %", "count": "Training images forgotten"}


class Plot(NamedTuple):
    """A plot.

    Attributes:
        name: Stem of its files.
        title: Its heading.
        caption: What it shows.
        figure: The drawing.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def cost_plot(figures: PlanFigures, cost_key: str = "seconds") -> Plot | None:
    """Draw distance over floor against a cost, with the Pareto front; None without a floor or a method with both.

    Args:
        figures: Figures of the plan.
        cost_key: ``seconds``, or ``passes``, the images that the training steps read.
    """
    floor = mean_floor(figures)
    points = {n: (figures.mean(n, cost_key), figures.mean(n, DISTANCE)) for n in figures.methods}
    known = {n: (cost, far / floor) for n, (cost, far) in points.items() if floor and cost and far is not None}
    if not known:
        return None
    figure, axes = _axes(_COSTS[cost_key], "Distance to retraining, in floors")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    styles = _styles(figures.methods)
    for name, (cost, far) in known.items():
        hollow: dict[str, Any] = {"markerfacecolor": "none"} if name in figures.broken else {}
        spread = _spread(figures, name) / floor  # type: ignore[operator]  # without a floor nothing is known
        axes.errorbar(cost, far, spread, linestyle="none", elinewidth=0.8, **styles[name], **hollow)
    sound = sorted(known[name] for name in figures.sound if name in known)
    front = [p for p, on in zip(sound, pareto_front(torch.tensor(sound).reshape(-1, 2)).tolist(), strict=True) if on]
    if front:
        axes.step(*zip(*front, strict=True), where="post", color=INK, linewidth=1, zorder=0, label="Pareto front")
    _reference_lines(axes, figures, floor, cost_key)
    _finish(figure, axes)
    caption = (
        f"{figures.name}: mean over {pluralize(len(figures.seeds), 'seed')}, with the standard deviation of the "
        "distance; nearer to the lower left is better. The Pareto front has the methods that no other one beats in "
        "both; hollow markers are broken in a seed, and not on the front. One floor is the distance of retrained "
        "models from one another."
    )
    return Plot(f"{figures.name}_cost", f"Distance against cost: {figures.name}", caption, figure)


def share_plot(family: Family) -> Plot | None:
    """Draw distance over floor of each method against the size of the request; None if no method has two points.

    Args:
        family: Plans that differ by their request.
    """
    figure, axes = _axes(_UNITS[family.unit], "Distance to retraining, in floors")
    names = dict.fromkeys(name for plan in family.plans for name in plan.methods)
    factor, lines = 100 if family.unit == "fraction" else 1, 0
    styles = _styles(names)
    for name in names:
        points = [
            (factor * size, far / floor)
            for size, plan in zip(family.sizes, family.plans, strict=True)
            if (floor := mean_floor(plan)) and name in plan.sound and (far := plan.mean(name, DISTANCE)) is not None
        ]
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), linewidth=1.2, **styles[name])
            lines += 1
    axes.axhline(1, color=INK, linewidth=0.8, linestyle=(0, (4, 3)), label="floor")
    _finish(figure, axes)
    plans = [plan.name for plan in family.plans]
    broken = sorted({f"{name} of {plan.name}" for plan in family.plans for name in plan.broken})
    caption = f"Mean over the seeds of {', '.join(plans)}, each in its own floors.{_without(broken)}"
    return Plot(f"{plans[0]}_share", "Distance against the share forgotten", caption, figure) if lines else None


def request_plot(figures: PlanFigures) -> Plot | None:
    """Draw the distance of each request's own images along sequential requests; None if there was one request.

    Args:
        figures: Figures of the plan.
    """
    attack = attack_key(figures.known)
    steps = sorted(int(match[1]) for key in figures.known if (match := re.fullmatch("step([0-9]{1,9})/count", key)))
    distances = {name: [_step_distance(figures, name, f"step{n}/{attack}") for n in steps] for name in figures.sound}
    drawn = {name: values for name, values in distances.items() if any(value is not None for value in values)}
    if not drawn:
        return None
    figure, axes = _axes("Request, oldest first", "Distance of its membership AUC")
    styles = _styles(figures.methods)
    for name, values in drawn.items():
        heights = [float("nan") if value is None else value for value in values]
        axes.plot(steps, heights, linewidth=1.2, **styles[name])
    axes.set_xticks(steps)
    _finish(figure, axes)
    caption = (
        f"{figures.name}: membership AUC of the images of each request alone, after the last one; its distance from "
        f"the mean of the retrained models, averaged over the seeds.{_without(figures.broken)}"
    )
    return Plot(f"{figures.name}_requests", f"Along the requests: {figures.name}", caption, figure)


def _step_distance(figures: PlanFigures, name: str, key: str) -> float | None:
    distances = []
    for seed, value in figures.values(name, key).items():
        others = [values[seed] for model in figures.retrained if seed in (values := figures.values(model, key))]
        distances += [abs(value - statistics.mean(others))] if others else []
    return statistics.mean(distances) if distances else None


def _without(broken: Sequence[str]) -> str:
    return f" Broken in a seed or more, and not drawn: {', '.join(broken)}." if broken else ""


def mean_floor(figures: PlanFigures) -> float | None:
    """Mean floor over methods and seeds; None if there is none above 0.

    Args:
        figures: Figures of the plan.
    """
    floors = [value for name in figures.methods for value in figures.values(name, FLOOR).values()]
    return statistics.mean(floors) or None if floors and all(map(isfinite, floors)) else None


def _spread(figures: PlanFigures, name: str) -> float:
    values = [*figures.values(name, DISTANCE).values()]
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _reference_lines(axes: Axes, figures: PlanFigures, floor: float | None, cost_key: str) -> None:
    line: dict[str, Any] = {"color": INK, "linewidth": 0.8}
    axes.axhline(1, linestyle=(0, (4, 3)), label="floor", **line)
    original = figures.mean("original", DISTANCE)
    costs = [mean for name in figures.retrained if (mean := figures.mean(name, cost_key)) is not None]
    if original is not None and floor:
        axes.axhline(original / floor, linestyle=(0, (1, 2)), label="original", **line)
    if costs:
        axes.axvline(statistics.mean(costs), linestyle=(0, (6, 2, 1, 2)), label="retraining", **line)


def _styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Label, colour and marker of each method, by its place in the alphabet: the same in plots of the same methods.

    A legend leaves out labels that begin with an underscore, hence the space before it.
    """
    colours = [matplotlib.colors.to_hex(matplotlib.colormaps["tab10"](number)) for number in range(10)]
    return {
        name: {"label": f" {name}" if name[0] == "_" else name, "color": colour, "marker": marker, "markersize": 6}
        for name, colour, marker in zip(sorted(names), cycle(colours), cycle(_MARKERS), strict=False)
    }


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def _finish(figure: Figure, axes: Axes) -> None:
    """Start distances at 0, and put the legend beside the axes, where it covers no point; the figure is as high."""
    axes.set_ylim(bottom=0)
    style_axes(axes)
    handles, labels = axes.get_legend_handles_labels()
    labels = [label.replace("$", r"\$") for label in labels]
    figure.set_figheight(max(figure.get_figheight(), 0.3 + 0.2 * len(labels)))  # inches, of lines of 9 points
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9, labelcolor=INK)
