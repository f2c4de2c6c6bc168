"""The monitor shows what a hand computes, and a run with it is bit for bit the run without it."""

import itertools
import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import FSDPStrategy
from sklearn.metrics import roc_auc_score
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny import LEARNERS, make_data, make_learner, make_method, make_trainer
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl import MembershipMonitor
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.errors import InputError, PreemptedError
from unlearning_pl.learners import Learner
from unlearning_pl.training.membership_monitor import evenly_spaced, measure_rows
from unlearning_pl.training.weights import load_weights

TAGS = {"alignment_held_out", "loss_held_out", "auc"}
EPOCHS = 3


def fit(name: str, run: Path, *callbacks: Callback, **options: Any) -> Learner:
    learner = make_learner(name)
    trainer = make_trainer(run, max_epochs=EPOCHS, callbacks=[*callbacks], checkpoint_minutes=0, seed=0)
    trainer.fit(learner, datamodule=make_data(), **options)
    return learner


@pytest.fixture(scope="module", params=LEARNERS)
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Learner]:
    """A run without a monitor."""
    run = tmp_path_factory.mktemp(request.param) / "plain"
    torch.manual_seed(0)
    return request.param, run, fit(request.param, run)


class Stops(Callback):
    """Ends a run in its second epoch."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def same_states(one: Path, other: Path) -> bool:
    """Weights, buffers, MoCo's queue and the optimiser's momentum, as the last checkpoints have them."""
    first, second = (torch.load(run / "checkpoints/last.ckpt", weights_only=True) for run in (one, other))
    tensors = [
        {**saved["state_dict"], **{f"{n} {k}": v for n, s in optimized(saved) for k, v in s.items()}}
        for saved in (first, second)
    ]
    return all(torch.equal(value, tensors[1][key]) for key, value in tensors[0].items())


def optimized(saved: dict[str, Any]) -> list[tuple[int, dict[str, Tensor]]]:
    states = saved["optimizer_states"][0]["state"].items()
    return [(number, {k: v for k, v in state.items() if isinstance(v, Tensor)}) for number, state in states]


def test_a_run_with_it_is_the_run_without_it(plain: tuple[str, Path, Learner], tmp_path: Path) -> None:
    name, run, _ = plain
    torch.manual_seed(0)
    fit(name, tmp_path / "watched", MembershipMonitor())
    assert same_states(run, tmp_path / "watched")


def test_a_run_that_was_stopped_is_resumed_to_the_same(plain: tuple[str, Path, Learner], tmp_path: Path) -> None:
    name, run, _ = plain
    torch.manual_seed(0)
    with pytest.raises(PreemptedError):
        fit(name, tmp_path / "watched", MembershipMonitor(), Stops())
    fit(name, tmp_path / "watched", MembershipMonitor(), ckpt_path="last")
    assert same_states(run, tmp_path / "watched")
    assert [step for step, _ in scalars(tmp_path / "watched", "auc")] == [0, 2, 4, 6]


@pytest.mark.parametrize("name", ["MoCo", "Classifier"])
def test_unlearning_with_it_is_unlearning_without_it(name: str, tmp_path: Path) -> None:
    original = tmp_path / "original"
    fit(name, original)
    for run, callbacks in (("plain", []), ("watched", [MembershipMonitor()])):
        trainer = make_trainer(tmp_path / run, max_epochs=2, callbacks=callbacks, seed=0)
        method = make_method("AlignmentCalibration" if name != "Classifier" else "SalUn")
        trainer.unlearn(make_learner(name), make_data(), str(original), **method)
    assert same_states(tmp_path / "plain", tmp_path / "watched")
    tags = {tag.removeprefix("monitor/") for tag in events(tmp_path / "watched").Tags()["scalars"] if "monitor/" in tag}
    assert tags == TAGS | {"alignment_forget", "loss_forget"}


@pytest.mark.parametrize("name", LEARNERS)
def test_random_states_modes_and_buffers_stay_as_they_were(name: str) -> None:
    learner, data = make_learner(name), make_data()
    data.load()
    learner.train()
    learner.backbone.eval()  # a mixture of modes
    outputs = learner.outputs
    learner.outputs = lambda sample: (torch.rand(2), outputs(sample))[1]  # a user's learner may draw
    modes, buffers = [m.training for m in learner.modules()], [b.clone() for b in learner.buffers()]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    plan = SamplePlan.evaluation(InputSpec.of(learner), seed=0)
    first, second = (measure_rows(learner, data, data.positions("train"), plan) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert [m.training for m in learner.modules()] == modes
    assert all(torch.equal(a, b) for a, b in zip(buffers, learner.buffers(), strict=True))
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert getattr(learner, "_keys", []) == []  # MoCo would enqueue them after the next step


@pytest.mark.parametrize("train_on", ["all", "retain"])
def test_figures_of_a_classifier_are_those_of_a_hand(train_on: str, tmp_path: Path) -> None:
    learner, data = make_learner("Classifier"), make_data(train_on=train_on)
    make_trainer(tmp_path / "run", callbacks=[MembershipMonitor()], seed=0).fit(learner, datamodule=data)
    found = {tag: scalars(tmp_path / "run", tag)[-1][1] for tag in (*TAGS, "alignment_train", "loss_train")}
    load_weights(learner, tmp_path / "run/checkpoints/last.ckpt")
    members, others = by_hand(learner, data, "train" if train_on == "all" else "retain"), by_hand(learner, data)
    labels = [1] * len(members) + [0] * len(others)
    wanted = {
        "loss_train": members.mean(),
        "loss_held_out": others.mean(),
        "alignment_train": members.neg().exp().mean(),
        "alignment_held_out": others.neg().exp().mean(),
        "auc": roc_auc_score(labels, -torch.cat([members, others]).numpy()),
    }
    assert found == pytest.approx({key: float(value) for key, value in wanted.items()}, rel=1e-5)


def by_hand(learner: Learner, data: UnlearningData, split: str = "validation") -> Tensor:
    """Cross-entropy of the clean images."""
    images, target = data.pool.rows_at(data.positions(split))
    with torch.no_grad():
        return F.cross_entropy(learner.eval().class_scores(data.pool.normalise(images)), target, reduction="none")


def test_alignment_of_an_encoder_is_the_cosine_of_two_views() -> None:
    """Each row gets its own figure back, whatever the order of the batches."""
    learner, data = make_learner("SimCLR"), make_data(eval_batch_size=7)
    data.load()
    positions = data.positions("train")
    plan = SamplePlan.evaluation(InputSpec.of(learner), seed=0)
    alignment, losses = measure_rows(learner, data, positions, plan)
    order = torch.randperm(len(positions), generator=torch.Generator().manual_seed(0))
    learner.eval()
    for part in order.split(-(-len(order) // -(-len(order) // 7))):
        rows = next(iter(data.loader(positions[part], plan, rows=len(part))))
        with torch.no_grad():
            sample = data.sample(rows)
            first, second = learner.embed(sample.views[0]), learner.embed(sample.views[1])
        torch.testing.assert_close(alignment[part].float(), F.cosine_similarity(first, second, dim=1))
        torch.testing.assert_close(losses[part].float(), learner.losses((first, second), sample))


def test_it_measures_every_n_epochs_no_more_rows_than_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the rows that are measured: ten of either kind, from the first to the last in steps of one size."""
    from unlearning_pl.training import membership_monitor

    seen: list[list[int]] = []

    def note(learner: Learner, data: UnlearningData, positions: Tensor, plan: SamplePlan) -> tuple[Tensor, Tensor]:
        seen.append(positions.tolist())
        return measure_rows(learner, data, positions, plan)

    monkeypatch.setattr(membership_monitor, "measure_rows", note)
    data = make_data(validation=0.25)
    callbacks = [MembershipMonitor(every_n_epochs=2, rows=10)]
    trainer = make_trainer(tmp_path / "run", max_epochs=5, callbacks=callbacks, seed=0)
    trainer.fit(make_learner("Classifier"), datamodule=data)
    assert [step for step, _ in scalars(tmp_path / "run", "auc")] == [0, 4, 8]
    assert seen[0] == seen[1] == seen[2]
    assert len(seen) == 3
    for kind, measured in (("train", seen[0][:10]), ("validation", seen[0][10:])):
        places = [data.positions(kind).tolist().index(position) for position in measured]
        assert len(places) == 10
        assert (places[0], places[-1]) == (0, len(data.positions(kind)) - 1)
        steps = [after - before for before, after in itertools.pairwise(places)]
        assert max(steps) - min(steps) <= 1
    assert evenly_spaced(torch.arange(1000), 3).tolist() == [0, 500, 999]
    assert len(evenly_spaced(torch.arange(12345), 1000).unique()) == 1000


def test_its_seconds_are_not_those_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearning_pl.training import membership_monitor, stopwatch

    now = [1000.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

    def slow(*_: Any) -> tuple[Tensor, Tensor]:
        now[0] += 500
        return torch.rand(50), torch.rand(50)

    class Ticks(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            now[0] += 10

    monkeypatch.setattr(stopwatch, "time", Clock)
    monkeypatch.setattr(membership_monitor, "measure_rows", slow)
    trainer = make_trainer(tmp_path / "run", max_epochs=3, callbacks=[MembershipMonitor(), Ticks()])
    trainer.fit(make_learner("Classifier"), datamodule=make_data())
    assert trainer.stopwatch.seconds == 10 * trainer.global_step


@pytest.mark.parametrize("value", [0, -1, 0.5, 1.5, float("nan"), float("inf"), "2", None, True, torch.tensor([2, 2])])
@pytest.mark.parametrize("name", ["every_n_epochs", "rows"])
def test_what_is_no_number_from_one_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"Expected a whole number {name} >= 1 of MembershipMonitor, got ") as refusal:
        MembershipMonitor(**{name: value})
    assert "\n" not in str(refusal.value)


def test_a_training_without_held_out_images_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run", callbacks=[MembershipMonitor()])
    with pytest.raises(
        InputError, match=r"held-out images for MembershipMonitor, got 0\. Add `UnlearningData\(validation=0\.1\)`"
    ):
        trainer.fit(make_learner("Classifier"), datamodule=make_data(validation=0.0))
    assert not (tmp_path / "run").exists()
    assert trainer.global_step == 0


def test_a_module_that_lacks_what_is_measured_is_refused() -> None:
    trainer = SimpleNamespace(datamodule=make_data(), loggers=[object()], strategy=None, callbacks=[])
    with pytest.raises(InputError, match="got LightningModule without outputs and losses and alignment") as refusal:
        MembershipMonitor().setup(trainer, LightningModule(), "fit")
    assert "\n" not in str(refusal.value)


def test_a_training_without_a_logger_is_refused() -> None:
    trainer = make_trainer(callbacks=[MembershipMonitor()], logger=False)
    with pytest.raises(InputError, match=r"Expected a logger for MembershipMonitor, got none\. Give `run`"):
        trainer.fit(make_learner("Classifier"), datamodule=make_data())


def test_sharded_weights_are_refused() -> None:
    trainer = SimpleNamespace(datamodule=make_data(), loggers=[object()], strategy=FSDPStrategy(), callbacks=[])
    with pytest.raises(InputError, match=r"Expected trainer\.strategy ddp with MembershipMonitor, got fsdp"):
        MembershipMonitor().setup(trainer, make_learner("Classifier"), "fit")


def test_only_rank_0_computes() -> None:
    class Rank1:
        is_global_zero, global_step, current_epoch = False, 0, 0

    monitor = MembershipMonitor()
    monitor.on_train_start(Rank1(), None)  # it would fail for want of data
    monitor.on_train_epoch_end(Rank1(), None)


def events(run: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(run))
    accumulator.Reload()
    return accumulator


def scalars(run: Path, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(run).Scalars(f"monitor/{name}")]
