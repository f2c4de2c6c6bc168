"""Two steps on the device end with the weights of the CPU, for every method and learner, in float64."""

from pathlib import Path
from typing import Any

import pytest
from devices import diagonal
from same_steps import error, start_of, take_steps
from tiny import LEARNERS, METHODS, PLUGINS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation"),
    pytest.mark.filterwarnings("ignore:SCRUB with max_epochs"),  # runs of one epoch
]


@pytest.mark.parametrize(("method", "name"), diagonal(["plain", *METHODS, *PLUGINS], [*LEARNERS]))
def test_the_device_takes_the_steps_of_the_cpu(method: str, name: str, options: dict[str, Any], tmp_path: Path) -> None:
    expected = take_steps(method, name, frozen=False, folder=tmp_path, processes=1)
    weights = take_steps(method, name, frozen=False, folder=tmp_path, processes=1, **options)
    assert error(weights, expected, start_of(name).state_dict()) < 1e-9


@pytest.mark.parametrize("name", ["SimCLR", "Classifier"])
def test_the_memory_format_changes_no_step(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    states = [
        take_steps("plain", name, frozen=False, folder=tmp_path, processes=1, channels_last=channels_last, **options)
        for channels_last in (True, False)
    ]
    assert error(*states, start_of(name).state_dict()) < 1e-9
