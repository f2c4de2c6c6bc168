"""Pairs of a method and a learner: a part of the table in every run, the rest where `slow` tests run."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest


def two_learners_each(methods: Iterable[str], learners: Sequence[str]) -> list[Any]:
    """All pairs; `slow`, but for two learners of each method, which change from method to method."""
    return [
        pytest.param(method, name, marks=() if (row - column) % len(learners) < 2 else pytest.mark.slow)
        for row, method in enumerate(methods)
        for column, name in enumerate(learners)
    ]


def selected_pairs(request: pytest.FixtureRequest, test: Callable[..., Any]) -> list[tuple[str, str]]:
    """Pairs of a test, those that run: what a fixture has to make."""
    found = [item.callspec.params for item in request.session.items if getattr(item, "function", None) is test]
    return [(params["method"], params["name"]) for params in found]
