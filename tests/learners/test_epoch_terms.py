"""Epoch means of loss terms: those of all steps, through a pre-emption too."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interrupted import Asked, train
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import PreemptedError
from unlearning_pl.learners.epoch_terms import FOLDED, EpochTerms

STEPS = 2 * FOLDED + 5  # folded twice, with a rest


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_mean_is_weighted_by_rows(precision: torch.dtype) -> None:
    generator = np.random.default_rng(0)
    values = torch.tensor(generator.normal(size=STEPS)).to(precision)
    rows = generator.integers(1, 9, size=STEPS)
    terms = EpochTerms()
    for value, count in zip(values, rows, strict=True):
        terms.add("loss", value, int(count))
    mean, total = terms.take()["loss"]
    assert total == rows.sum()
    assert mean.item() == pytest.approx(np.average(values.double().numpy(), weights=rows), abs=1e-6)


def test_a_checkpoint_has_the_sums() -> None:
    whole, first, second = EpochTerms(), EpochTerms(), EpochTerms()
    for step in range(STEPS):
        whole.add("loss", torch.tensor(float(step)), 1 + step % 3)
        if step == FOLDED + 3:
            second.load(first.state())
        (first if step < FOLDED + 3 else second).add("loss", torch.tensor(float(step)), 1 + step % 3)
    (ours, rows), (theirs, all_rows) = second.take()["loss"], whole.take()["loss"]
    assert rows == all_rows
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_sums_of_a_checkpoint(processes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has every term: a process that lacked one would not join in logging it."""
    shares = []
    for rank in range(processes):
        monkeypatch.setattr("unlearning_pl.learners.epoch_terms.world_size", lambda: processes)
        monkeypatch.setattr("unlearning_pl.learners.epoch_terms.rank", lambda own=rank: own)
        terms = EpochTerms()
        terms.load({"loss": [40.0, 100], "contrast": [7.0, 100]})
        shares.append(terms.take())
    for name, mean in (("loss", 0.4), ("contrast", 0.07)):
        assert [share[name][0].item() for share in shares] == pytest.approx([mean] * processes)
        assert sum(share[name][1] for share in shares) == 100


class Logged(Callback):
    """The loss of each step, and what an epoch logs, as callbacks see it when it ends."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.logged: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any) -> None:
        self.losses.append(outputs["loss"].item())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.logged.append(trainer.callback_metrics["train/loss"].item())


def test_an_epoch_logs_the_mean_of_its_steps() -> None:
    seen = Logged()
    train(None, callbacks=[seen])
    assert seen.logged == pytest.approx([np.mean(seen.losses[5 * epoch : 5 * epoch + 5]) for epoch in range(3)])


def test_terms_of_a_run_that_failed_are_not_those_of_the_next() -> None:
    class Fails(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            if trainer.global_step == 3:
                raise RuntimeError("failed")

    seen, learner = Logged(), make_learner("SimCLR")
    with pytest.raises(RuntimeError, match="failed"):
        make_trainer(callbacks=[Fails()], max_epochs=1, logger=False).fit(learner, datamodule=make_data(batch_size=8))
    make_trainer(callbacks=[seen], max_epochs=1, logger=False).fit(learner, datamodule=make_data(batch_size=8))
    assert seen.logged == pytest.approx([np.mean(seen.losses)])


def test_an_epoch_that_max_steps_ends_is_logged_too() -> None:
    seen = Logged()
    _, trainer = train(None, callbacks=[seen], max_steps=7)
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(np.mean(seen.losses[5:]))


def test_a_resumed_epoch_logs_the_mean_of_all_its_steps(tmp_path: Path) -> None:
    unbroken, resumed = Logged(), Logged()
    train(None, callbacks=[unbroken])
    with pytest.raises(PreemptedError):
        train(tmp_path / "run", callbacks=[Asked(8)])
    train(tmp_path / "run", callbacks=[resumed], ckpt_path="last")
    assert len(resumed.losses) == 7
    assert resumed.logged == pytest.approx(unbroken.logged[1:], rel=1e-6)
