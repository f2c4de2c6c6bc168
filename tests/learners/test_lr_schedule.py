"""What a course of the learning rate does to the momentum of its optimizer."""

from functools import partial
from math import cos, pi
from typing import Any

import pytest
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer
from torch.optim import SGD, AdamW, Optimizer

STEPS = 15  # three epochs of five batches


class Noted(Callback):
    """Learning rate and momentum of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.momenta: list[float] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        (group,) = optimizer.param_groups
        self.rates.append(group["lr"])
        self.momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        assert group.get("betas", (0, 0.999))[1] == 0.999


def noted(optimizer: partial[Optimizer], schedule: str) -> Noted:
    learner, callback = make_learner("Classifier"), Noted()
    learner.optimize_with(optimizer, schedule)
    make_trainer(max_epochs=3, callbacks=[callback]).fit(learner, datamodule=make_data(batch_size=8))
    assert len(callback.rates) == STEPS
    return callback


def halfway(start: float, end: float, share: float) -> float:
    """Along half a cosine."""
    return end + (start - end) * (1 + cos(pi * share)) / 2


def one_cycle(step: int, start: float, top: float, end: float) -> float:
    """To the top within three tenths of the steps, the first counted as one, and on to the end."""
    turn, last = 0.3 * STEPS - 1, STEPS - 1
    return halfway(start, top, step / turn) if step <= turn else halfway(top, end, (step - turn) / (last - turn))


@pytest.mark.parametrize(
    "optimizer",
    [partial(SGD, lr=0.01, momentum=0.9), partial(SGD, lr=0.01), partial(AdamW, lr=0.01)],
    ids=["momentum", "none", "betas"],
)
def test_one_cycle_moves_the_momentum_against_the_rate_whatever_was_asked_for(optimizer: partial[Optimizer]) -> None:
    """It cycles: 0.95, down to 0.85 at the highest rate, and back, also where 0.9 or none was asked for.

    Smith and Topin, "Super-Convergence", arXiv 1708.07120; 0.85 and 0.95 are torch's.
    """
    found = noted(optimizer, "one_cycle")
    assert found.momenta == pytest.approx([one_cycle(step, 0.95, 0.85, 0.95) for step in range(STEPS)])
    assert found.rates == pytest.approx([one_cycle(step, 0.01 / 25, 0.01, 0.01 / 25e4) for step in range(STEPS)])


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_other_courses_leave_the_momentum_alone(schedule: str) -> None:
    assert set(noted(partial(SGD, lr=0.01, momentum=0.8), schedule).momenta) == {0.8}
    assert set(noted(partial(AdamW, lr=0.01, betas=(0.7, 0.999)), schedule).momenta) == {0.7}
