"""Two processes measure, evaluate and embed half the rows each, and have the figures of one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from launching import launch
from methods.two_measurers import found
from tiny import LEARNERS, make_data

pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("two")
    launch(Path(__file__).with_name("two_measurers.py"), str(folder))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("name", LEARNERS)
def test_two_processes_share_the_rows_and_have_the_figures_of_one(name: str, two: list[dict[str, Any]]) -> None:
    one = found(name, 1)
    positions = {split: len(make_data().positions(split)) for split in ("retain", "forget", "validation", "test")}
    assert positions["forget"] == 8
    for what, (figures, rows) in one.items():
        (first, read), (second, others) = (rank[name][what] for rank in two)
        assert first.keys() == figures.keys() != set()
        for key, value in [*first.items(), *second.items()]:
            assert torch.equal(value.isnan(), figures[key].isnan()), (what, key)
            assert relative_error(value, figures[key]) < 1e-6, (what, key)
        assert abs(len(read) - len(others)) <= 3 * 4  # a batch of each split at most
        # A test gives each process the same number of batches, and the first one twice if necessary.
        assert sorted({*read, *others} if what == "test" else [*read, *others]) == sorted(rows)


def relative_error(ours: torch.Tensor, expected: torch.Tensor) -> float:
    difference = torch.nan_to_num(ours.double() - expected.double()).abs().max()
    return float(difference / torch.nan_to_num(expected.double()).abs().max().clamp(min=1e-30))
