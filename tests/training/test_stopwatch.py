"""Seconds of a run by a clock that only its steps move, and images of its steps: they add up over all its starts."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import PreemptedError
from unlearning_pl.training import stopwatch
from unlearning_pl.types import Sample

STEPS = 6  # three epochs of two batches


class Clock(Callback):
    """Ten seconds a step; a signal in the middle of some."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stops: list[int] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        self.now += 10
        if trainer.global_step + 1 in self.stops:
            self.stops.remove(trainer.global_step + 1)
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.mark.parametrize("stops", [[], [4], [2, 5]])
def test_a_run_took_what_all_its_starts_took(stops: list[int], clock: Clock, tmp_path: Path) -> None:
    clock.stops = [*stops]
    for _ in stops:
        with pytest.raises(PreemptedError):
            start(tmp_path / "run", clock)
        assert not (tmp_path / "run/run.json").exists()
        clock.now += 500  # between two starts nothing is trained
    start(tmp_path / "run", clock)
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["seconds"] == 10 * STEPS
    assert record["passes"] == STEPS * make_data().batch_size


class _Foreign(LightningModule):
    """Batches that are no mapping of samples."""


def test_passes_are_unknown_for_other_batches_and_for_runs_of_an_earlier_version() -> None:
    watch, trainer = stopwatch.Stopwatch(), SimpleNamespace(world_size=2)
    rows = {name: Sample((), torch.zeros(3), torch.arange(3)) for name in ("retain", "forget")}
    watch.on_train_batch_end(trainer, _Foreign(), None, rows, 0)  # type: ignore[arg-type]
    assert watch.passes == 2 * (3 + 3)
    resumed = stopwatch.Stopwatch()
    resumed.load_state_dict(watch.state_dict())
    assert resumed.passes == 12
    resumed.load_state_dict({"seconds": 1.0})
    resumed.on_train_batch_end(trainer, _Foreign(), None, rows, 0)  # type: ignore[arg-type]
    assert resumed.passes is None
    watch.on_train_batch_end(trainer, _Foreign(), None, [torch.zeros(3)], 0)  # type: ignore[arg-type]
    assert watch.passes is None


def start(run: Path, clock: Clock) -> None:
    trainer = make_trainer(run, max_epochs=3, callbacks=[clock])
    trainer.fit(make_learner("Classifier"), datamodule=make_data(), ckpt_path="auto")
