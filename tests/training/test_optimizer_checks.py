"""A warm-up ends before its run, or the run is refused before anything is written."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny import make_data, make_learner, make_method, make_trainer
from torch.optim import SGD

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.learners.lr_schedule import Schedule


def warmed(steps: int, schedule: Schedule = "cosine") -> Learner:
    learner = make_learner("Classifier")
    learner.optimize_with(partial(SGD, lr=0.01), schedule, warmup_steps=steps)
    return learner


def fit(steps: int, schedule: Schedule = "cosine", run: Path | None = None, **options: Any) -> None:
    make_trainer(run, **options).fit(warmed(steps, schedule), datamodule=make_data(batch_size=8))  # 5 steps an epoch


@pytest.mark.parametrize(
    ("schedule", "options", "most"),
    [
        ("constant", {}, 9),
        ("cosine", {}, 9),
        ("one_cycle", {}, 8),
        ("cosine", {"accumulate_grad_batches": 2}, 5),
        ("cosine", {"max_steps": 7}, 6),
        ("cosine", {"max_epochs": -1, "max_steps": 4}, 3),
        ("constant", {"limit_train_batches": 2}, 3),
        ("one_cycle", {"max_epochs": 1, "limit_train_batches": 1}, 0),
    ],
)
def test_a_warm_up_leaves_steps_to_its_schedule(schedule: Schedule, options: Any, most: int, tmp_path: Path) -> None:
    message = rf"Expected `warmup_steps` from 0 to {most} in a run of \d+ optimiser steps .*got {most + 1}\. Choose"
    with pytest.raises(InputError, match=message):
        fit(most + 1, schedule, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()
    fit(most, schedule, **options)


def test_a_method_counts_the_steps_of_its_own_streams(tmp_path: Path) -> None:
    data, original = make_data(batch_size=8), tmp_path / "original"
    make_trainer(original, max_epochs=1).fit(warmed(0), datamodule=data)
    steps = math.ceil(8 / 8)  # gradient ascent reads the forget set alone

    def unlearn(warmup: int) -> None:
        trainer = make_trainer(tmp_path / "run", max_epochs=3)
        trainer.unlearn(warmed(warmup), data, str(original), **make_method("GradientAscent"))

    with pytest.raises(InputError, match=rf"from 0 to {3 * steps - 1} in a run of {3 * steps} optimiser steps"):
        unlearn(3 * steps)
    assert not (tmp_path / "run").exists()
    unlearn(3 * steps - 1)


def test_a_run_that_a_time_ends_has_any_warm_up() -> None:
    fit(10**6, "constant", max_epochs=-1, max_time={"seconds": 1})


@pytest.mark.parametrize("steps", [-1, 2.5, True, "3", None])
def test_steps_are_a_whole_number_from_zero_on(steps: Any) -> None:
    with pytest.raises(InputError, match=rf"Expected a whole number warmup_steps >= 0, got {steps!r}\."):
        warmed(steps)


def test_names_that_do_not_exist_are_refused() -> None:
    learner = make_learner("Classifier")
    with pytest.raises(
        InputError, match=r"Expected schedule = constant or cosine or one_cycle or multi_step, got 'linear'"
    ):
        learner.optimize_with(partial(SGD, lr=0.1), "linear")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Expected weight_decay_on = all or matrices, got 'biases'"):
        learner.optimize_with(partial(SGD, lr=0.1), weight_decay_on="biases")  # type: ignore[arg-type]
