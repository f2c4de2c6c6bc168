"""What a process on its own does, in a job of several: none of its calls is a collective."""

import pytest
import torch

from unlearning_pl.distributed import collectives
from unlearning_pl.distributed.collectives import (
    all_gather_object,
    all_reduce_sum,
    async_all_reduce_max,
    gather_with_indices,
    single_process,
)


@pytest.fixture(autouse=True)
def _third_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collectives.dist, "world_size", lambda: 4)
    monkeypatch.setattr(collectives.dist, "rank", lambda: 2)


def test_it_is_alone_within_and_not_afterwards() -> None:
    with single_process():
        assert (collectives.world_size(), collectives.rank()) == (1, 0)
        with single_process():
            pass
        assert (collectives.world_size(), collectives.rank()) == (1, 0)
    assert (collectives.world_size(), collectives.rank()) == (4, 2)


def test_it_is_not_alone_after_an_error() -> None:
    with pytest.raises(ValueError, match="within"), single_process():
        raise ValueError("within")
    assert collectives.world_size() == 4


def test_nothing_is_sent_where_it_is_alone() -> None:
    rows = torch.eye(2)
    with single_process():
        gathered, own = gather_with_indices(rows)
        assert gathered is rows
        assert own.tolist() == [0, 1]
        assert all_reduce_sum(rows) is rows
        assert async_all_reduce_max(3)() == 3
        assert all_gather_object("here") == ["here"]
