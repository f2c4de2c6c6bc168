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
    return [pytest.param(place, *param.values, marks=[*param.marks, *marks]) for param in params]


def on_both(params: Sequence[Any]) -> list[Any]:
    return [param for place in ("cpu", "device") for param in placed(place, params)]


def trainer_options(place: str, config: pytest.Config) -> dict[str, Any]:
    """Arguments of the trainer; kernels that add in any order are replaced, so that a GPU repeats its bits."""
    if place == "cpu" or config.getoption("--device") == "cpu":
        return {"accelerator": "cpu"}
    return {"accelerator": "gpu", "deterministic": "warn"}
