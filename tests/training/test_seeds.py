"""The seed of a run is an argument: it alone decides what is drawn, and a fit leaves the global random state alone."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_method, make_trainer

from unlearning_pl.data.seeds import given_seed, isolated_rng
from unlearning_pl.errors import InputError
from unlearning_pl.evaluation.relearning import relearning_epochs
from unlearning_pl.learners import SimCLR
from unlearning_pl.methods import Unlearner


class Seen(Callback):
    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.views: list[torch.Tensor] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rows.append([row for sample in batch.values() for row in sample.index.tolist()])
        self.views += [view for sample in batch.values() for view in sample.views]


def seen(seed: int | None) -> Seen:
    callback = Seen()
    make_trainer(max_epochs=1, callbacks=[callback], seed=seed, logger=False).fit(
        make_learner("SimCLR"), datamodule=make_data()
    )
    return callback


def state() -> tuple[Any, ...]:
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()


@pytest.fixture(autouse=True)
def no_seed_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)


def test_two_seeds_give_two_orders_and_one_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = seen(1)
    torch.manual_seed(7)
    monkeypatch.setenv("PL_GLOBAL_SEED", "2")  # of another part of the session
    again, other, fallback = seen(1), seen(2), seen(None)
    assert first.rows == again.rows
    assert all(torch.equal(*views) for views in zip(first.views, again.views, strict=True))
    assert first.rows != other.rows == fallback.rows
    assert not torch.equal(first.views[0], other.views[0])


@pytest.mark.parametrize(("seed", "environment"), [(None, None), (3, None), (3, "4"), (None, "4"), (0, "4")])
def test_the_record_has_the_seed_that_was_given(
    seed: int | None, environment: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if environment is not None:
        monkeypatch.setenv("PL_GLOBAL_SEED", environment)
    trainer = make_trainer(tmp_path / "run", max_epochs=1, seed=seed)
    trainer.fit(make_learner("Classifier"), datamodule=make_data())
    expected = seed if seed is not None else None if environment is None else int(environment)
    assert json.loads((tmp_path / "run/run.json").read_text())["seed"] == expected == given_seed(trainer)


def test_nothing_changes_the_global_random_state(tmp_path: Path) -> None:
    learner, data = make_learner("SimCLR"), make_data()
    for values in (torch.manual_seed, np.random.seed, random.seed):
        values(5)
    before = state()
    make_trainer(tmp_path / "run", max_epochs=1).fit(learner, datamodule=data)
    assert state() == before
    for method in ("AlignmentCalibration", "CoUn", "BadTeacher"):
        unlearned = make_trainer(max_epochs=1, logger=False)
        unlearned.unlearn(learner, make_data(), str(tmp_path / "run"), **make_method(method))
        assert state() == before
    trainer = make_trainer(logger=False)
    trainer.validate(learner, datamodule=data, verbose=False)
    trainer.audit(learner, data, "a", views=2)
    assert relearning_epochs(learner, learner, data, 1, accelerator="cpu") == 0
    assert state() == before


def test_a_failed_fit_leaves_it_too() -> None:
    class Fails(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            torch.rand(1), np.random.rand(), random.random()
            raise RuntimeError("disk full")

    learner = make_learner("SimCLR")
    before = state()
    with pytest.raises(RuntimeError, match="disk full"):
        make_trainer(callbacks=[Fails()], logger=False).fit(learner, datamodule=make_data())
    assert state() == before


@pytest.mark.parametrize("seeds", [(1, 2), (1, None), (None, 1)])
def test_a_run_does_not_resume_with_another_seed(seeds: tuple[int | None, int | None], tmp_path: Path) -> None:
    first, second = seeds
    run = tmp_path / "run"
    make_trainer(run, max_epochs=1, seed=first).fit(make_learner("SimCLR"), datamodule=make_data())
    before = (run / "checkpoints/last.ckpt").read_bytes()
    resumed = make_trainer(run, max_epochs=2, seed=second)
    with pytest.raises(
        InputError, match=rf"Expected the seed {first} of .*last\.ckpt when resuming, got {second or 0}"
    ):
        resumed.fit(make_learner("SimCLR"), datamodule=make_data(), ckpt_path="last")
    assert (run / "checkpoints/last.ckpt").read_bytes() == before


def test_no_seed_is_the_seed_0(tmp_path: Path) -> None:
    make_trainer(tmp_path / "run", max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    resumed = make_trainer(tmp_path / "run", max_epochs=2, seed=0)
    resumed.fit(make_learner("SimCLR"), datamodule=make_data(), ckpt_path="last")
    assert resumed.current_epoch == 2


class Draws(Unlearner):
    """A method that draws while it measures."""

    def measure(self, learner: Any, streams: Any) -> None:
        self.drawn = [torch.rand(()).item() for _ in streams["forget"]]


def test_what_a_method_draws_while_it_measures_follows_from_the_seed(tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    drawn = []
    for seed, global_seed in ((1, 5), (1, 6), (2, 5)):
        torch.manual_seed(global_seed)
        method = Draws()
        trainer = make_trainer(max_steps=1, logger=False, seed=seed)
        trainer.unlearn(make_learner("SimCLR"), make_data(), str(tmp_path / "original"), method)
        drawn.append(method.drawn)
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_loss_that_draws_is_evaluated_the_same_every_time() -> None:
    class Random(SimCLR):
        def metrics(self, outputs: Any, sample: Any) -> dict[str, torch.Tensor]:
            return {"loss": torch.rand(())}

    learner, data, trainer = Random("resnet9_slim"), make_data(), make_trainer(logger=False)
    before = state()
    first, second = (trainer.test(learner, datamodule=data, verbose=False)[0]["test/loss"] for _ in range(2))
    other = make_trainer(logger=False, seed=1).test(learner, datamodule=data, verbose=False)[0]["test/loss"]
    assert first == second != other
    assert state() == before


def test_only_the_given_device_is_seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with isolated_rng(torch.device("cpu"), seed=3):
        torch.rand(1)
    assert seeded == []


def test_an_error_restores_all_generators() -> None:
    before = state()

    def fail() -> None:
        torch.rand(1), np.random.rand(), random.random()
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), isolated_rng(torch.device("cpu"), seed=3):
        fail()
    assert state() == before


@pytest.mark.parametrize("method", ["CoUn", "BadTeacher"])
def test_what_a_method_prepares_follows_from_the_seed(method: str, tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    heads = []
    for seed, global_seed in ((1, 5), (1, 6), (2, 5)):
        torch.manual_seed(global_seed)
        learner, prepared = make_learner("SimCLR"), make_method(method)
        if method == "CoUn":
            prepared["plugins"][0].projection_dim = 8
        keep = Keep(prepared["method"])
        make_trainer(max_steps=1, logger=False, seed=seed, callbacks=[keep]).unlearn(
            learner, make_data(), str(tmp_path / "original"), **prepared
        )
        heads.append(keep.weights)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


class Keep(Callback):
    def __init__(self, method: Any) -> None:
        self.method = method

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        module = self.method.bad if hasattr(self.method, "bad") else pl_module.auxiliary_modules
        self.weights = torch.cat([weight.detach().flatten().clone() for weight in module.parameters()])
