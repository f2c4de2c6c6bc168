"""Two processes: both find the last checkpoint and the record after a fit; compiled steps equal eager ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from launching import launch

pytestmark = pytest.mark.ddp


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("fit")
    launch(Path(__file__).with_name("fit_in_two_processes.py"), str(folder))
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


def test_every_process_reads_the_last_checkpoint_after_a_fit(ranks: list[dict[str, Any]]) -> None:
    assert [rank["last"] for rank in ranks] == [rank["step"] for rank in ranks]
    assert all(rank["finished"] for rank in ranks)


def test_compiled_steps_equal_eager_ones(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert len(rank["losses"]) == 2
        assert rank["compiled"] == pytest.approx(rank["losses"], rel=1e-5)
