"""Runs of three epochs of five batches that a signal stops in the middle of a step."""

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from tiny import make_data, make_learner, make_trainer
from torch.optim import SGD

from unlearning_pl.learners import Learner
from unlearning_pl.training.trainer import UnlearningTrainer


class Asked(Callback):
    """A signal in the middle of a step, counted over the whole run."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step, self.number = step, number

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        if trainer.global_step + 1 == self.step:
            os.kill(os.getpid(), self.number)


def train(run: Path | None, name: str = "SimCLR", **options: Any) -> tuple[Learner, UnlearningTrainer]:
    """Three epochs of five batches."""
    ckpt_path, schedule = options.pop("ckpt_path", None), options.pop("schedule", "cosine")
    seed_everything(0, verbose=False)
    own = {key: options.pop(key) for key in ("warmup_steps", "weight_decay_on", "milestones") if key in options}
    learner, trainer = make_learner(name), make_trainer(run, **{"max_epochs": 3, **options})
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9, weight_decay=5e-4), schedule, **own)
    trainer.fit(learner, datamodule=make_data(batch_size=8), ckpt_path=ckpt_path)
    return learner, trainer


def same(one: Learner, other: Learner) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
