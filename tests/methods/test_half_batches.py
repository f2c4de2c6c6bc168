"""The gradient of a step of every method on every learner: two processes with half a batch each, one with the whole."""

import json
from pathlib import Path

import pytest
from launching import launch
from tiny import LEARNERS, METHODS, PLUGINS

JOBS = [f"{method} {name}" for method in ["plain", *METHODS, *PLUGINS] for name in LEARNERS]
pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """One launch takes every step."""
    folder = tmp_path_factory.mktemp("halves")
    launch(Path(__file__).with_name("half_batches.py"), str(folder))
    found: dict[str, float] = json.loads((folder / "differences.json").read_text())
    return found


@pytest.mark.parametrize("job", JOBS)
def test_two_processes_have_the_gradient_of_one(job: str, differences: dict[str, float]) -> None:
    assert differences[job] < 1e-9


def test_a_process_without_partners_weighs_as_its_rows_do_in_one(differences: dict[str, float]) -> None:
    assert differences["AlignmentCalibration SimCLR alone"] < 1e-9


def test_shuffled_keys_come_home_with_other_batch_statistics(differences: dict[str, float]) -> None:
    assert differences["shuffled True"] < 1e-12  # norm layers in evaluation mode: only the order could matter
    assert differences["shuffled False"] > 1e-3
