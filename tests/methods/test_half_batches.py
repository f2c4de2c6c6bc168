"""The gradient of a step of every method on every learner: two processes with half a batch each, one with the whole."""

import json
from pathlib import Path

import pytest
from launching import launch
from pairs import selected_pairs, two_learners_each
from tiny import LEARNERS, METHODS, PLUGINS

PAIRS = two_learners_each(["plain", *METHODS, *PLUGINS], [*LEARNERS])
pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def differences(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """One launch takes every step."""
    folder = tmp_path_factory.mktemp("halves")
    launch(
        Path(__file__).with_name("half_batches.py"),
        str(folder),
        json.dumps(selected_pairs(request, test_two_processes_have_the_gradient_of_one)),
    )
    found: dict[str, float] = json.loads((folder / "differences.json").read_text())
    return found


@pytest.mark.parametrize(("method", "name"), PAIRS)
def test_two_processes_have_the_gradient_of_one(method: str, name: str, differences: dict[str, float]) -> None:
    assert differences[f"{method} {name}"] < 1e-9


def test_a_process_without_partners_weighs_as_its_rows_do_in_one(differences: dict[str, float]) -> None:
    assert differences["AlignmentCalibration SimCLR alone"] < 1e-9


def test_shuffled_keys_come_home_with_other_batch_statistics(differences: dict[str, float]) -> None:
    assert differences["shuffled True"] < 1e-12  # norm layers in evaluation mode: only the order could matter
    assert differences["shuffled False"] > 1e-3
