"""Tests marked ``gpu`` run on the device that ``--device`` names: a GPU or, to check the tests themselves, the CPU."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
import torch

NEEDS_GPU = pytest.mark.skip(reason="needs a GPU; --device cpu runs it on the CPU")


def skip_without_gpu(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    if config.getoption("--device") == "cuda" and not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(NEEDS_GPU)


def placed(place: str, params: Iterable[Any]) -> list[Any]:
    """Parameters of a test with a place before them: ``cpu``, or ``device``, which marks them ``gpu``."""
    marks = [pytest.mark.gpu] if place == "device" else []
    return [pytest.param(place, *param.values, marks=[*param.marks, *marks], id=param.id) for param in params]


def diagonal(methods: Iterable[str], learners: Sequence[str]) -> list[Any]:
    """All pairs; `slow`, which `make gpu TINY=1` leaves out, but for a learner each with the first methods."""
    return [
        pytest.param(method, name, marks=() if row == column else pytest.mark.slow)
        for row, method in enumerate(methods)
        for column, name in enumerate(learners)
    ]


def trainer_options(place: str, config: pytest.Config) -> dict[str, Any]:
    """Arguments of the trainer; kernels that add in any order are replaced, so that a GPU repeats its bits."""
    if place == "cpu" or config.getoption("--device") == "cpu":
        return {"accelerator": "cpu"}
    return {"accelerator": "gpu", "deterministic": "warn"}
