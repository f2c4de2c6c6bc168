"""Families of plans that differ by their forget request alone, for curves along the share forgotten."""

import shlex
from collections import defaultdict
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from unlearning_pl.benchmark.plan_figures import PlanFigures
from unlearning_pl.benchmark.run_options import plan_options

_UNITS = ("fraction", "count")


class Family(NamedTuple):
    """Plans with the same training of the original.

    Attributes:
        unit: What :attr:`sizes` are: ``fraction`` of the training images, or their ``count``.
        sizes: Size of the request of each plan, ascending.
        plans: The plans.
    """

    unit: str
    sizes: list[float]
    plans: list[PlanFigures]


def request_families(plans: Sequence[PlanFigures]) -> list[Family]:
    """Group plans whose original was trained by the same command and whose requests are of different sizes.

    Plans are a family if all ask for a fraction, or all for a number of images; other requests have no size here.

    Args:
        plans: Figures of all plans.
    """
    groups: dict[tuple[str, ...], list[tuple[float, PlanFigures]]] = defaultdict(list)
    for plan in plans:
        size = _request_size(plan)
        if size is not None and plan.commands.get("original"):
            unit, number = size
            groups[(unit, *plan_options(plan.commands["original"]))].append((number, plan))
    families = []
    for (unit, *_), members in groups.items():
        members.sort(key=lambda member: member[0])
        sizes = [number for number, _ in members]
        if len(set(sizes)) == len(sizes) > 1:
            families.append(Family(unit, sizes, [plan for _, plan in members]))
    return families


def _request_size(plan: PlanFigures) -> tuple[str, float] | None:
    """Unit and size of the request of the methods, if all have the same."""
    sizes = {_size_in_words(shlex.split(plan.commands.get(name, ""))) for name in plan.methods}
    return sizes.pop() if len(sizes) == 1 else None


def _size_in_words(words: Sequence[str]) -> tuple[str, float] | None:
    named = [(unit, words.index(f"--forget.{unit}") + 1) for unit in _UNITS if f"--forget.{unit}" in words[:-1]]
    try:
        sizes = [(unit, float(words[place])) for unit, place in named]
    except ValueError:
        return None
    return sizes[0] if len(sizes) == 1 and 0 < sizes[0][1] < inf else None
