import multiprocessing.connection
import os
import signal
import subprocess

import pytest
import torch
from lightning.fabric.utilities import move_data_to_device
from lightning_utilities.core.apply_func import apply_to_collection

from unlearning_pl.data.loaders import RowDataset, Rows, index_loader
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import run_seed
from unlearning_pl.data.streams import Share, StreamSampler, rows_per_stream
from unlearning_pl.errors import InputError

PLAN = SamplePlan.training(InputSpec(), seed=0)


@pytest.mark.parametrize(
    ("sizes", "batch_size", "processes", "expected"),
    [
        ({"retain": 340, "forget": 60}, 100, 1, {"retain": 85, "forget": 15}),
        ({"retain": 399, "forget": 1}, 100, 1, {"retain": 99, "forget": 1}),
        ({"retain": 399, "forget": 1}, 100, 2, {"retain": 98, "forget": 2}),
        ({"retain": 395, "forget": 5}, 100, 1, {"retain": 98, "forget": 2}),
        ({"retain": 396, "forget": 4}, 100, 2, {"retain": 96, "forget": 4}),
        ({"train": 400}, 100, 2, {"train": 100}),
        ({"forget": 60}, 100, 1, {"forget": 60}),
        ({"forget": 1}, 100, 1, {"forget": 2}),
        ({"forget": 1}, 100, 2, {"forget": 4}),
        ({"retain": 50, "forget": 50}, 256, 2, {"retain": 50, "forget": 50}),
    ],
)
def test_rows_are_in_proportion_and_the_same_on_every_process(
    sizes: dict[str, int], batch_size: int, processes: int, expected: dict[str, int]
) -> None:
    assert rows_per_stream(sizes, batch_size, processes) == expected


@pytest.mark.parametrize(("batch_size", "processes"), [(7, 2), (1, 1), (0, 1), (-4, 1)])
def test_a_batch_that_does_not_divide_is_told(batch_size: int, processes: int) -> None:
    with pytest.raises(InputError, match=f"batch_size.*got {batch_size}"):
        rows_per_stream({"train": 100}, batch_size, processes)


def fed(size: int, steps: int, rows: int, epoch: int = 0, processes: int = 1, seed: int = 0) -> list[list[int]]:
    """Rows of each step, over all processes."""
    ranks = []
    for rank in range(processes):
        sampler = StreamSampler(range(size), "retain", steps, rows, Share(rank, processes), seed)
        sampler.set_epoch(epoch)
        drawn = list(sampler)
        assert len(drawn) == len(sampler)
        ranks.append(torch.tensor(drawn).view(steps, -1))
    return [step.tolist() for step in torch.cat(ranks, dim=1)]


def test_two_processes_are_fed_together_what_one_is() -> None:
    one, two = fed(37, steps=4, rows=8), fed(37, steps=4, rows=8, processes=2)
    assert [sorted(step) for step in one] == [sorted(step) for step in two]


@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("size", [2, 3, 5, 7])
def test_a_process_never_has_the_row_of_a_small_stream_twice_in_a_step(size: int, processes: int) -> None:
    rows = 2 * processes
    steps = fed(size, steps=50, rows=rows, processes=processes)
    halves = [step[2 * rank : 2 * rank + 2] for step in steps for rank in range(processes)]
    assert all(first != second for first, second in halves)
    assert {row for step in steps for row in step} == set(range(size))


def test_every_sample_comes_once_before_any_comes_twice() -> None:
    drawn = [row for step in fed(6, steps=5, rows=3) for row in step]
    assert sorted(drawn[:6]) == sorted(drawn[6:12]) == list(range(6))


def test_the_order_depends_on_the_epoch_and_the_runs_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    first = fed(37, steps=4, rows=8)
    torch.rand(3)
    assert fed(37, steps=4, rows=8) == first
    assert fed(37, steps=4, rows=8, epoch=1) != first
    assert fed(37, steps=4, rows=8, seed=1) != first
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    assert fed(37, steps=4, rows=8) == first


def test_places_of_a_run_have_seeds_of_their_own() -> None:
    seeds = {run_seed(seed, "fit", step, rank) for seed in (0, 1) for step in range(100) for rank in range(4)}
    assert len(seeds) == 800


def test_a_batch_is_its_positions_with_their_plan() -> None:
    dataset = RowDataset(torch.tensor([5, 7, 9]), PLAN)
    batch = dataset.__getitems__([2, 0])
    assert batch.index.tolist() == [9, 5]
    assert (batch.images, batch.plan, batch.first) == (None, PLAN, 9)
    assert len(dataset) == 3


def test_precision_plugins_leave_rows_alone() -> None:
    """Those of FSDP and of half precision convert the tensors of containers before a batch is on the device."""
    rows = Rows(torch.arange(3), None, PLAN, first=0)
    assert apply_to_collection({"train": rows}, torch.Tensor, torch.Tensor.half)["train"] is rows
    assert move_data_to_device({"train": rows}, torch.device("meta"))["train"].index.is_meta


@pytest.mark.parametrize(("number", "server"), [(signal.SIGTERM, 1), (signal.SIGTERM, None), (signal.SIGUSR1, None)])
def test_workers_go_on_when_the_whole_job_is_asked_to_end_and_end_with_their_parent(
    number: int, server: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if server is not None:  # a process that forks workers for others
        monkeypatch.setattr(os, "getppid", lambda: server)
    rows = RowDataset(torch.arange(40), PLAN, lambda index: index)
    others = set(multiprocessing.active_children())  # of tests before
    loader = index_loader(rows, rows=4, workers=2)
    batches = iter(loader)
    first = [next(batches), next(batches)]  # one of each worker: both have begun
    workers = set(multiprocessing.active_children()) - others
    assert len(workers) == 2
    subprocess.run(["kill", f"-{int(number)}", *(str(worker.pid) for worker in workers)], check=True)
    multiprocessing.connection.wait([worker.sentinel for worker in workers], timeout=0.5)
    assert torch.equal(torch.cat([batch.index for batch in (*first, *batches)]), torch.arange(40))
    assert loader._iterator is not None  # it keeps its workers for another epoch
    for worker in workers:
        worker.terminate()
        worker.join(5)
    codes = [worker.exitcode for worker in workers]
    for worker in workers:
        worker.kill()  # what did not end would be waited for
    assert codes == [0, 0]
