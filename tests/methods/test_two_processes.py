"""Every method on every learner, trained by two processes: they stay equal, and take the steps of one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from launching import launch_by_torchrun
from pairs import selected_pairs, two_learners_each
from same_steps import FEW, error, start_of, take_steps
from tiny import LEARNERS, METHODS, PLUGINS, evaluated

PAIRS = two_learners_each([*METHODS, *PLUGINS], [*LEARNERS])
LOGGED, DRAWN = "FineTune", "AlignmentCalibration"
pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def launched(
    request: pytest.FixtureRequest, originals: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """One launch trains all pairs, and takes the steps that one process takes too."""
    folder = tmp_path_factory.mktemp("ddp")
    runs = json.dumps({name: str(run) for name, run in originals.items()})
    pairs = [
        *selected_pairs(request, test_they_end_bit_equal),
        *((method, name) for method in (LOGGED, DRAWN) for name in LEARNERS),
    ]
    launch_by_torchrun(
        Path(__file__).with_name("two_processes.py"), str(folder), runs, json.dumps([*dict.fromkeys(pairs)])
    )
    return folder


@pytest.fixture(scope="module")
def two_processes(launched: Path) -> dict[str, list[dict[str, Any]]]:
    """What each process wrote: a digest of its weights, and the rows that it was fed."""
    ranks = [json.loads((launched / f"rank{rank}.json").read_text()) for rank in (0, 1)]
    return {pair: [rank[pair] for rank in ranks] for pair in ranks[0]}


@pytest.mark.parametrize("name", LEARNERS)
def test_they_evaluate_like_one(
    name: str, originals: dict[str, Path], two_processes: dict[str, list[dict[str, Any]]]
) -> None:
    one = evaluated(name, str(originals[name]))
    assert {"validation/loss", "test/loss"} <= one.keys()
    for other in two_processes[f"evaluated {name}"]:
        assert other == pytest.approx(one, rel=1e-6)


@pytest.mark.parametrize(("method", "name"), PAIRS)
def test_they_end_bit_equal(method: str, name: str, two_processes: dict[str, list[dict[str, Any]]]) -> None:
    first, second = two_processes[f"{method} {name}"]
    assert first["weights"] == second["weights"]
    assert first["rows"] != second["rows"] or method in ("SSD", "SLUG")  # they were not simply fed the same


@pytest.mark.parametrize("name", LEARNERS)
def test_they_log_the_mean_over_both(name: str, two_processes: dict[str, list[dict[str, Any]]]) -> None:
    """Each has as many rows; the sums of a checkpoint are those of both, on either."""
    first, second = two_processes[f"{LOGGED} {name}"]
    both = [(one + other) / 2 for one, other in zip(first["losses"], second["losses"], strict=True)]
    assert first["logged"] == second["logged"] == pytest.approx(sum(both) / len(both), rel=1e-6)
    rows = len(first["rows"][0]) + len(second["rows"][0])
    assert first["sums"][0]["loss"] == second["sums"][0]["loss"] == [pytest.approx(both[0] * rows, rel=1e-6), rows]
    assert first["losses"] != second["losses"]


@pytest.mark.parametrize("name", LEARNERS)
def test_they_draw_views_of_their_own(name: str, two_processes: dict[str, list[dict[str, Any]]]) -> None:
    first, second = (rank["seeds"] for rank in two_processes[f"{DRAWN} {name}"])
    assert len(first) == len(second) > 0
    assert len({*first, *second}) == len(first) + len(second)


@pytest.mark.parametrize(("method", "name", "frozen"), FEW)
def test_they_take_the_steps_of_one(method: str, name: str, frozen: bool, launched: Path, tmp_path: Path) -> None:
    """Trainer, DDP, streams and shared batch statistics; `make exactness` does it for every pair."""
    one = take_steps(method, name, frozen, tmp_path, 1)
    for rank in (0, 1):
        two = torch.load(launched / f"states{rank}.pt", weights_only=True)[str((method, name, frozen))]
        assert error(one, two, start_of(name).state_dict()) < 1e-9
