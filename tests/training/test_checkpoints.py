"""Runs that are stopped between two steps, and what they go on from."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from interrupted import Asked, same, train
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError, PreemptedError
from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO
from unlearning_pl.training.resume import resume_point
from unlearning_pl.training.weights import load_weights


@pytest.mark.parametrize(
    ("name", "step", "accumulated"),
    [  # every two of learner, step and accumulation meet without the slow ones
        pytest.param(name, step, accumulated, marks=pytest.mark.slow if (i + j + k) % 2 else ())
        for i, name in enumerate(["MoCo", "Classifier"])
        for j, step in enumerate([1, 3, 5, 7])
        for k, accumulated in enumerate([1, 2])
    ],
)
def test_a_stopped_run_goes_on_at_the_very_step(name: str, step: int, accumulated: int, tmp_path: Path) -> None:
    unbroken, _ = train(None, name, accumulate_grad_batches=accumulated)
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", name, accumulate_grad_batches=accumulated, callbacks=[Asked(step)], ckpt_path="auto")
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == step
    resumed, trainer = train(tmp_path / "run", name, accumulate_grad_batches=accumulated, ckpt_path="auto")
    assert trainer.global_step == -(-5 // accumulated) * 3
    assert same(unbroken, resumed)


@pytest.mark.parametrize(
    ("step", "options"),
    [
        (4, {"val_check_interval": 2}),  # the last batch of an epoch is there, after a look at held-out images
        (5, {"max_steps": 8, "max_epochs": -1}),  # behind an epoch
        (10, {"max_steps": 12, "val_check_interval": 2}),
        (3, {"limit_train_batches": 3}),
    ],
)
def test_steps_and_looks_at_held_out_images_are_those_of_an_unbroken_run(
    step: int, options: dict[str, Any], tmp_path: Path
) -> None:
    class Looked(Callback):
        def __init__(self) -> None:
            self.at: list[int] = []

        def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            self.at.append(trainer.global_step)

    once, twice = Looked(), Looked()
    unbroken, _ = train(None, callbacks=[once], **options)
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", callbacks=[twice, Asked(step)], **options)
    resumed, _ = train(tmp_path / "run", callbacks=[twice], ckpt_path="last", **options)
    assert same(unbroken, resumed)
    assert once.at == twice.at != []


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists")
def test_a_run_goes_on_at_the_very_step_from_the_users_own_checkpoint(tmp_path: Path) -> None:
    kept = ModelCheckpoint(every_n_train_steps=3, save_top_k=-1)  # saves before the batch counts as completed
    unbroken, _ = train(tmp_path / "run", callbacks=[kept])
    path = tmp_path / "run/checkpoints/epoch=1-step=9.ckpt"
    resumed, _ = train(tmp_path / "run", callbacks=[kept], ckpt_path=path)
    assert same(unbroken, resumed)


@pytest.mark.parametrize("steps", [8, 10])
def test_a_run_that_ended_by_its_steps_can_go_on_for_longer(steps: int, tmp_path: Path) -> None:
    longer, _ = train(None, schedule="constant", max_epochs=-1, max_steps=12)
    train(tmp_path / "run", schedule="constant", max_epochs=-1, max_steps=steps)
    resumed, trainer = train(tmp_path / "run", schedule="constant", max_epochs=-1, max_steps=12, ckpt_path="last")
    assert (trainer.global_step, trainer.current_epoch) == (12, 3)
    assert same(longer, resumed)


def test_a_run_asked_before_its_first_step_leaves_no_folder(tmp_path: Path) -> None:
    class AtOnce(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(PreemptedError):
        train(tmp_path / "run", callbacks=[AtOnce()])
    assert not (tmp_path / "run").exists()


def test_each_start_that_is_to_be_repeated_gets_on(tmp_path: Path, saved: list[int]) -> None:
    class AtOnce(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            os.kill(os.getpid(), signal.SIGUSR1)

    for _ in range(2):
        with pytest.raises(PreemptedError):
            train(tmp_path / "run", callbacks=[AtOnce()], ckpt_path="auto")
    assert saved == [1, 2]


def test_a_run_that_keeps_nothing_ends_all_the_same() -> None:
    steps: list[int] = []

    class Counted(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            steps.append(len(steps))

    with pytest.raises(SIGTERMException):
        train(None, callbacks=[Asked(2), Counted()])
    assert len(steps) == 2


def test_sigterm_ends_an_evaluation_at_once() -> None:
    later: list[str] = []

    class Stopped(Callback):  # an audit embeds all images in one hook
        def on_validation_start(self, *_: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            later.append("the hook went on")

    before = signal.getsignal(signal.SIGTERM)
    data = make_data(batch_size=8, validation=0.5)
    with pytest.raises(SIGTERMException):
        make_trainer(None, callbacks=[Stopped()]).validate(make_learner("SimCLR"), datamodule=data, verbose=False)
    assert later == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_handlers_of_signals_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", callbacks=[Asked(2)])
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGUSR1)) == before


def test_slurm_is_asked_to_start_the_job_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin/scontrol"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    for name, value in {"SLURM_JOB_ID": "43", "SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PreemptedError, match="job 41_2 is requeued"):
        train(tmp_path / "run", callbacks=[Asked(2, signal.SIGUSR1)])
    assert (tmp_path / "asked").read_text() == "requeue 41_2\n"


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Steps at which checkpoints are written."""
    steps: list[int] = []
    whole = AtomicCheckpointIO.save_checkpoint
    monkeypatch.setattr(
        AtomicCheckpointIO,
        "save_checkpoint",
        lambda self, checkpoint, *a, **k: steps.append(checkpoint["global_step"]) or whole(self, checkpoint, *a, **k),
    )
    return steps


def test_checkpoints_come_by_the_clock(tmp_path: Path, saved: list[int]) -> None:
    train(tmp_path / "each", max_epochs=1, checkpoint_minutes=0)
    assert saved == [1, 2, 3, 4, 5, 5]  # after the epoch, and when the run ends
    saved.clear()
    train(tmp_path / "later", max_epochs=1)
    assert saved == [5, 5]


def test_checkpoints_after_epochs_take_a_twentieth_of_the_time(
    tmp_path: Path, saved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs of 15 seconds, and checkpoints that take two: the third epoch after a checkpoint has the next one."""
    now = [0.0]
    save = Trainer.save_checkpoint

    def slow_save(*args: Any, **kwargs: Any) -> None:
        now[0] += 2
        save(*args, **kwargs)

    class Slow(Callback):
        def on_train_epoch_start(self, *_: Any) -> None:
            now[0] += 15

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("unlearning_pl.training.last_checkpoint.time", clock)
    monkeypatch.setattr(Trainer, "save_checkpoint", slow_save)
    train(tmp_path / "run", max_epochs=8, callbacks=[Slow()])
    assert [step // 5 for step in saved] == [1, 4, 7, 8]


def test_the_clock_is_heard_once_where_processes_answer_a_step_later(
    tmp_path: Path, saved: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes a batch: at the start of the second one a checkpoint is due, and at the third all know of it."""
    now = [0]

    class Slow(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            now[0] += 600

    pretended = {"world_size": lambda: 2, "cpu_group": lambda _: None}
    pretended["async_all_reduce_max"] = lambda value: lambda: value
    for name, value in {**pretended, "time": SimpleNamespace(monotonic=lambda: now[0])}.items():
        monkeypatch.setattr(f"unlearning_pl.training.last_checkpoint.{name}", value)
    train(tmp_path / "run", max_epochs=1, checkpoint_minutes=15, callbacks=[Slow()])
    assert saved == [2, 5, 5]


def test_a_command_with_auto_can_be_repeated(tmp_path: Path) -> None:
    train(tmp_path / "run", ckpt_path="auto")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    train(tmp_path / "run", ckpt_path="auto")
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_auto_takes_the_place_of_a_run_that_was_killed_before_its_first_checkpoint(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "split.json").write_text("half")
    train(run, ckpt_path="auto", max_epochs=1)
    assert (run / "run.json").exists()


def test_a_run_goes_on_only_with_the_original_that_it_began_as(tmp_path: Path) -> None:
    def unlearn(**options: Any) -> None:
        trainer = make_trainer(tmp_path / "run", max_epochs=1, **options)
        data = make_data(batch_size=8)
        trainer.unlearn(make_learner("SimCLR"), data, original=str(tmp_path / "original"), ckpt_path="auto")

    train(tmp_path / "original", max_epochs=1)
    with pytest.raises(PreemptedError):
        unlearn(callbacks=[Asked(2)])
    train(tmp_path / "original", max_epochs=2, overwrite=True)
    with pytest.raises(InputError, match=r"the original that .* started from"):
        unlearn()


def test_a_run_keeps_the_number_of_its_steps(tmp_path: Path) -> None:
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", schedule="one_cycle", accumulate_grad_batches=2, callbacks=[Asked(2)])
    with pytest.raises(InputError, match=r"Expected \{'accumulate_grad_batches': 2\} as in"):
        train(tmp_path / "run", schedule="one_cycle", ckpt_path="auto")


def test_a_finished_run_stays_finished_until_there_is_a_later_checkpoint(tmp_path: Path) -> None:
    class AtOnce(Callback):
        def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            raise KeyError

    train(tmp_path / "run", schedule="constant", max_epochs=1)
    before = (tmp_path / "run/run.json").read_bytes()
    with pytest.raises(KeyError):
        train(tmp_path / "run", schedule="constant", callbacks=[AtOnce()], ckpt_path="last")
    assert (tmp_path / "run/run.json").read_bytes() == before
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", schedule="constant", callbacks=[Asked(7)], ckpt_path="last")
    assert not (tmp_path / "run/run.json").exists()


def test_weights_of_an_earlier_form_are_read_but_not_resumed(tmp_path: Path) -> None:
    train(tmp_path / "run", "CLIP", max_epochs=1)
    path = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["logit_scale"] = checkpoint["state_dict"]["logit_scale"].squeeze()
    torch.save(checkpoint, path)
    load_weights(make_learner("CLIP"), path)
    with pytest.raises(InputError, match="a checkpoint of this version to resume from"):
        train(tmp_path / "run", "CLIP", max_epochs=1, ckpt_path="last")


def test_auto_does_not_touch_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("precious")
    with pytest.raises(InputError, match="something else"):
        train(tmp_path, ckpt_path="auto")


def test_auto_insists_on_last_where_there_are_others(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/epoch=3.ckpt").write_text("x")
    with pytest.raises(InputError, match=r"last\.ckpt"):
        resume_point(tmp_path, "auto")
