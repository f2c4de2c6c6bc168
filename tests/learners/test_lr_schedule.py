"""Learning rate and momentum of every step of a run, by schedule and warm-up."""

from functools import partial
from math import cos, pi
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

from unlearning_pl.errors import InputError
from unlearning_pl.learners.lr_schedule import Schedule, scheduler

STEPS = 15  # three epochs of five batches


class Noted(Callback):
    """Learning rate and momentum of every step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.momenta: list[float] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        group, *_ = optimizer.param_groups
        self.rates.append(group["lr"])
        self.momenta.append(group["betas"][0] if "betas" in group else group["momentum"])
        assert group.get("betas", (0, 0.999))[1] == 0.999


def noted(optimizer: partial[Optimizer], schedule: str, **options: Any) -> Noted:
    learner, callback = make_learner("Classifier"), Noted()
    learner.optimize_with(optimizer, schedule, **options)
    make_trainer(max_epochs=3, callbacks=[callback]).fit(learner, datamodule=make_data(batch_size=8))
    assert len(callback.rates) == STEPS
    return callback


def halfway(start: float, end: float, share: float) -> float:
    """Along half a cosine."""
    return end + (start - end) * (1 + cos(pi * share)) / 2


def one_cycle(step: int, turn: float, steps: int = STEPS, top: float = 0.01) -> float:
    """From a 25th of the top to the top at step ``turn``, and on to the 10 000th part of the start at the end."""
    last = steps - 1
    if step <= turn:
        return halfway(top / 25, top, step / turn)
    return halfway(top, top / 25e4, (step - turn) / (last - turn))


@pytest.mark.parametrize(
    ("optimizer", "momentum"),
    [
        (partial(SGD, lr=0.01, momentum=0.8), 0.8),
        (partial(SGD, lr=0.01), 0.0),
        (partial(AdamW, lr=0.01, betas=(0.7, 0.999)), 0.7),
    ],
    ids=["momentum", "none", "betas"],
)
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_no_schedule_changes_momentum_or_betas(optimizer: partial[Optimizer], momentum: float, schedule: str) -> None:
    assert set(noted(optimizer, schedule).momenta) == {momentum}


def test_one_cycle_rises_for_three_tenths_of_the_steps() -> None:
    found = noted(partial(SGD, lr=0.01), "one_cycle")
    assert found.rates == pytest.approx([one_cycle(step, 0.3 * STEPS - 1) for step in range(STEPS)])


@pytest.mark.parametrize("groups", ["all", "matrices"])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_the_rate_rises_over_the_warm_up_of_a_run(schedule: str, groups: str) -> None:
    found = noted(partial(SGD, lr=0.01, weight_decay=0.1), schedule, warmup_steps=4, weight_decay_on=groups)
    expected = {
        "constant": [0.002, 0.004, 0.006, 0.008] + [0.01] * 11,
        "cosine": [0.002, 0.004, 0.006, 0.008] + [halfway(0.01, 0.0, step / 11) for step in range(11)],
        "one_cycle": [one_cycle(step, 4) for step in range(STEPS)],
    }
    assert found.rates == pytest.approx(expected[schedule])


def rates(schedule: Schedule, steps: int, warmup: int = 0) -> list[float]:
    """Rates of all steps; the scheduler steps once more than it is read, as Lightning's loop does."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    return read(optimizer, scheduler(optimizer, schedule, steps, warmup), steps)


def read(optimizer: Optimizer, by: LRScheduler, steps: int) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        by.step()
    return found


@given(st.integers(3, 200).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(1, steps - 2))))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_warm_up_rises_linearly_and_leaves_the_rest_to_the_schedule(lengths: tuple[int, int]) -> None:
    steps, warmup = lengths
    rise = [0.01 * (step + 1) / (warmup + 1) for step in range(warmup)]
    assert rates("constant", steps, warmup) == pytest.approx(rise + [0.01] * (steps - warmup))
    rest = steps - warmup
    assert rates("cosine", steps, warmup) == pytest.approx(
        rise + [halfway(0.01, 0, step / rest) for step in range(rest)]
    )
    cycle = rates("one_cycle", steps, warmup)
    assert cycle == pytest.approx([one_cycle(step, warmup, steps) for step in range(steps)])
    assert max(range(steps), key=cycle.__getitem__) == warmup


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_rates_without_warm_up_are_torchs_own_to_the_last_bit(steps: int) -> None:
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    assert rates("cosine", steps) == read(optimizer, CosineAnnealingLR(optimizer, T_max=steps), steps)
    assert rates("constant", steps) == [0.01] * steps


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_trial_that_ends_within_the_warm_up_only_rises(schedule: Schedule) -> None:
    assert rates(schedule, 3, warmup=9) == pytest.approx([0.001, 0.002, 0.003])
    learner = make_learner("Classifier")
    learner.optimize_with(partial(SGD, lr=0.01), schedule, warmup_steps=500)
    make_trainer(fast_dev_run=2).fit(learner, datamodule=make_data())


def test_multi_step_divides_the_rate_by_ten_after_its_epochs() -> None:
    found = noted(partial(SGD, lr=0.01), "multi_step", milestones=[1, 2])
    assert found.rates == pytest.approx([0.01] * 5 + [0.001] * 5 + [0.0001] * 5)


@pytest.mark.parametrize(
    ("schedule", "options", "message"),
    [
        ("multi_step", {}, r"Expected milestones with schedule = multi_step and with no other, got \[\]"),
        ("cosine", {"milestones": [1]}, r"with no other, got \[1\] with cosine"),
        ("multi_step", {"milestones": [2, 1]}, r"in ascending order.* got \[2, 1\]"),
        ("multi_step", {"milestones": [1, 1]}, r"in ascending order.* got \[1, 1\]"),
        ("multi_step", {"milestones": [0]}, r"above 0, got \[0\]"),
        ("multi_step", {"milestones": [1.5]}, r"whole numbers of epochs above 0, got \[1.5\]"),
        ("multi_step", {"milestones": [1], "warmup_steps": 2}, "warmup_steps = 0 with schedule = multi_step, got 2"),
    ],
)
def test_wrong_milestones_are_told(schedule: Schedule, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_learner("Classifier").optimize_with(partial(SGD, lr=0.01), schedule, **options)


def test_milestones_after_the_last_epoch_are_refused() -> None:
    learner = make_learner("Classifier")
    learner.optimize_with(partial(SGD, lr=0.01), "multi_step", milestones=[1, 3])
    with pytest.raises(InputError, match=r"max_epochs above the last of `milestones`, got 3 and \[1, 3\]"):
        make_trainer(max_epochs=3).fit(learner, datamodule=make_data())
