"""Checkpoints that a thread writes while training continues."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted import same, train
from lightning.pytorch import Callback
from torch import Tensor, nn

from unlearning_pl.errors import PreemptedError, StorageError
from unlearning_pl.training import checkpoint_files
from unlearning_pl.training.background_checkpoint_io import BackgroundCheckpointIO
from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO
from unlearning_pl.training.run_lock import LOCK, writing_process


class Gate:
    """Holds the threads that write, and counts the writes that run at a time."""

    def __init__(self) -> None:
        self.open, self.active, self.most = threading.Event(), 0, 0
        self.steps: list[int] = []

    def open_in(self, seconds: float) -> None:
        threading.Timer(seconds, self.open.set).start()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """A gate before each write of a thread."""
    gate, save = Gate(), AtomicCheckpointIO.save_checkpoint

    def held(self: AtomicCheckpointIO, checkpoint: dict[str, Any], *args: Any) -> None:
        gate.active += 1
        gate.most = max(gate.most, gate.active)
        if threading.current_thread() is not threading.main_thread():
            assert gate.open.wait(20)
        gate.steps.append(checkpoint.get("global_step", -1))
        save(self, checkpoint, *args)
        gate.active -= 1

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", held)
    yield gate
    gate.open.set()


class AtStep(Callback):
    """Does something in the middle of a step, counted over the whole run."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action = step, action

    def on_before_optimizer_step(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step + 1 == self.step:
            self.action()


def raise_key_error() -> None:
    raise KeyError("a mistake")


def saved(run: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    return checkpoint


def test_a_checkpoint_has_the_values_of_its_moment(tmp_path: Path, gate: Gate) -> None:
    layer = nn.Conv2d(2, 2, 3).to(memory_format=torch.channels_last)
    state: dict[str, Any] = {
        "weight": layer.weight,
        "steps": [1],
        "ids": {1},
        "nested": {"a": [torch.ones(2), {"b": 1}]},
    }
    expected, strides = layer.weight.detach().clone(), layer.weight.stride()
    writer = BackgroundCheckpointIO()
    with writer.in_background():
        writer.save_checkpoint(state, tmp_path / "a.ckpt")
    with torch.no_grad():
        layer.weight.zero_()
    state["steps"].append(2)
    state["ids"].add(2)
    state["nested"]["a"][0].zero_()
    state["nested"]["a"][1]["b"] = 2
    gate.open.set()
    writer.wait()
    loaded = torch.load(tmp_path / "a.ckpt", weights_only=True)
    assert torch.equal(loaded["weight"], expected)
    assert loaded["weight"].stride() == strides
    assert (loaded["steps"], loaded["ids"], loaded["nested"]["a"][1]) == ([1], {1}, {"b": 1})
    assert torch.equal(loaded["nested"]["a"][0], torch.ones(2))


def test_one_write_runs_at_a_time(tmp_path: Path, gate: Gate) -> None:
    writer = BackgroundCheckpointIO()
    with writer.in_background():
        writer.save_checkpoint({"global_step": 1}, tmp_path / "a.ckpt")
        assert writer.is_writing
        gate.open_in(0.1)
        writer.save_checkpoint({"global_step": 2}, tmp_path / "a.ckpt")
    writer.save_checkpoint({"global_step": 3}, tmp_path / "a.ckpt")  # outside the context: complete when it returns
    assert not writer.is_writing
    assert (gate.steps, gate.most) == ([1, 2, 3], 1)


def test_an_error_is_raised_before_anything_else_is_written(tmp_path: Path) -> None:
    writer = BackgroundCheckpointIO()
    (tmp_path / "file").write_text("x")
    with writer.in_background():
        writer.save_checkpoint({}, tmp_path / "file/a.ckpt")
        with pytest.raises(StorageError, match="File exists"):
            writer.save_checkpoint({}, tmp_path / "b.ckpt")
    assert not (tmp_path / "b.ckpt").exists()
    writer.wait()  # an error is raised once


def test_training_goes_on_and_epochs_write_nothing_meanwhile(tmp_path: Path, gate: Gate) -> None:
    """The first write begins after 5 steps and lasts until the 17th: the epochs that end in between write nothing."""
    opened = AtStep(17, gate.open.set)
    train(tmp_path / "run", max_epochs=5, callbacks=[opened])
    assert gate.steps[0] == 5
    assert not {10, 15} & set(gate.steps)
    assert gate.steps[-1] == 25  # complete when the run has ended
    assert gate.most == 1
    assert saved(tmp_path / "run")["global_step"] == 25


def test_a_signal_waits_for_the_write_and_saves_its_own_step(tmp_path: Path, gate: Gate) -> None:
    def ask() -> None:
        gate.open_in(0.2)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(PreemptedError):
        train(tmp_path / "run", callbacks=[AtStep(7, ask)])
    assert (gate.steps, gate.most) == ([5, 7], 1)
    assert saved(tmp_path / "run")["global_step"] == 7
    resumed, _ = train(tmp_path / "run", ckpt_path="auto")
    assert same(resumed, train(None)[0])


@pytest.mark.parametrize("step", [5, 7])  # after the step whose checkpoint is being written, and after a later one
def test_a_signal_before_a_write_fails_is_no_preemption(step: int, tmp_path: Path, gate: Gate) -> None:
    """The job is not requeued: it could not resume."""

    def ask() -> None:
        shutil.rmtree(tmp_path / "run")
        gate.open_in(0.1)
        os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(StorageError, match="was removed"):
        train(tmp_path / "run", callbacks=[AtStep(step, ask)], logger=False)


def test_an_error_of_training_waits_for_the_write_under_the_lock(tmp_path: Path, gate: Gate) -> None:
    owners: list[str | None] = []

    def fail() -> None:
        threading.Timer(0.2, lambda: (owners.append(writing_process(tmp_path / "run")), gate.open.set())).start()
        raise_key_error()

    with pytest.raises(KeyError, match="a mistake"):
        train(tmp_path / "run", callbacks=[AtStep(7, fail)])
    assert saved(tmp_path / "run")["global_step"] == 5
    assert owners[0] is not None
    assert not (tmp_path / "run" / LOCK).exists()


def test_an_error_of_training_is_not_replaced_by_that_of_a_write(tmp_path: Path, gate: Gate) -> None:
    def fail() -> None:
        shutil.rmtree(tmp_path / "run")
        gate.open_in(0.1)
        raise_key_error()

    with pytest.warns(UserWarning, match="was not written.*was removed"), pytest.raises(KeyError, match="a mistake"):
        train(tmp_path / "run", callbacks=[AtStep(7, fail)], logger=False)


def test_a_failed_write_ends_the_run_at_the_next_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    started = threading.Event()

    def full(*_: Any) -> None:
        started.set()
        raise OSError(28, "No space left on device")

    class Counted(Callback):
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            steps.append(trainer.global_step)
            if trainer.global_step == 6:
                assert started.wait(20)

    monkeypatch.setattr(checkpoint_files.torch, "save", full)
    monkeypatch.setattr(checkpoint_files, "check_readable", lambda states: None)
    monkeypatch.setattr("unlearning_pl.training.last_checkpoint.check_readable", lambda states: None)
    with pytest.raises(StorageError, match=r"No space left on device.*resume with --ckpt_path auto\.$") as raised:
        train(tmp_path / "run", callbacks=[Counted()])
    assert "\n" not in str(raised.value)
    assert max(steps) <= 8
    assert not (tmp_path / "run/run.json").exists()


def test_a_run_is_recorded_when_its_last_checkpoint_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[bool] = []
    save = AtomicCheckpointIO.save_checkpoint

    def slow(self: AtomicCheckpointIO, *args: Any) -> None:
        time.sleep(0.2)
        recorded.append((tmp_path / "run/run.json").exists())
        save(self, *args)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", slow)
    train(tmp_path / "run", max_epochs=1)
    assert recorded == [False, False]
    assert (tmp_path / "run/run.json").exists()


def test_a_folder_removed_within_an_epoch_is_not_made_again(tmp_path: Path) -> None:
    removed = AtStep(7, lambda: shutil.rmtree(tmp_path / "run"))
    with pytest.raises(StorageError, match="was removed"):
        train(tmp_path / "run", callbacks=[removed], logger=False)
    assert not (tmp_path / "run").exists()


def test_a_thread_does_not_write_into_another_processs_run(tmp_path: Path, gate: Gate) -> None:
    """The folder is removed and created again by another process between the copy of the tensors and the write."""

    def replace() -> None:
        (tmp_path / "run" / LOCK).write_text("1\nanother\n")
        gate.open.set()

    with pytest.raises(StorageError, match="process 1 on another writes"):
        train(tmp_path / "run", callbacks=[AtStep(7, replace)])
    assert not (tmp_path / "run/checkpoints/last.ckpt").exists()


def test_a_folder_that_becomes_read_only_ends_the_run_and_keeps_its_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "run/checkpoints"

    def lock() -> None:
        if subprocess.run(["mount", "--bind", folder, folder], capture_output=True).returncode:
            pytest.skip("only root can mount")
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    try:
        with pytest.raises(StorageError, match="Read-only file system"):
            train(tmp_path / "run", callbacks=[AtStep(7, lock)])
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)
    assert saved(tmp_path / "run")["global_step"] == 5


@pytest.mark.usefixtures("gate")  # closed: a thread would never write
def test_with_no_minutes_each_step_begins_with_a_complete_checkpoint(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []

    class Compared(Callback):
        def on_before_optimizer_step(self, trainer: Any, *_: Any) -> None:
            if trainer.global_step:
                steps.append((trainer.global_step, saved(tmp_path / "run")["global_step"]))

    train(tmp_path / "run", max_epochs=2, checkpoint_minutes=0, callbacks=[Compared()])
    assert steps == [(step, step) for step in range(1, 10)]


def test_a_background_checkpoint_is_that_of_the_training_thread(tmp_path: Path) -> None:
    """Both load equal, tensor by tensor, though the one is a copy."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for key in value for leaf in [key, *leaves(value[key])]]
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, (list, tuple)) else [value]

    train(tmp_path / "run", "MoCo", max_epochs=1)
    state, writer = saved(tmp_path / "run"), BackgroundCheckpointIO()
    with writer.in_background():
        writer.save_checkpoint(state, tmp_path / "a.ckpt")
    writer.wait()
    ours, theirs = leaves(torch.load(tmp_path / "a.ckpt", weights_only=True)), leaves(state)
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other) if isinstance(other, Tensor) else one == other


def test_a_copy_keeps_classes_attributes_and_shared_memory(tmp_path: Path) -> None:
    state = nn.BatchNorm1d(3).state_dict()
    weight = torch.arange(1000.0)
    content = {"state_dict": state, "steps": range(3), "shared": [weight, weight.detach(), (weight[:],)], "seen": {1}}
    writer = BackgroundCheckpointIO()
    with writer.in_background():
        writer.save_checkpoint(content, tmp_path / "a.ckpt")
    weight.zero_()
    content["seen"].add(2)
    writer.wait()
    loaded = torch.load(tmp_path / "a.ckpt", weights_only=False)
    assert loaded["state_dict"]._metadata == state._metadata
    assert (loaded["steps"], loaded["seen"]) == (range(3), {1})
    first, second, (third,) = loaded["shared"]
    assert torch.equal(first, torch.arange(1000.0))
    assert first.data_ptr() == second.data_ptr() == third.data_ptr()


def test_interrupts_do_not_leave_a_write_behind(tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C twice while the last checkpoint is written: the folder is restored only when the thread has ended."""
    train(tmp_path / "run", max_epochs=1, checkpoint_minutes=0)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    result, interrupts = Future.result, []

    def interrupted(self: Future[Any], timeout: float | None = None) -> Any:
        if threading.current_thread() is threading.main_thread() and not gate.open.is_set():
            interrupts.append(1)
            if len(interrupts) == 2:
                gate.open_in(0.2)
            raise KeyboardInterrupt
        return result(self, timeout)

    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(tmp_path / "run", max_epochs=1, overwrite=True, logger=False)
    assert len(interrupts) > 1
    assert gate.active == 0
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {path: after.get(path) for path in before} == before or saved(tmp_path / "run")["global_step"] == 5
