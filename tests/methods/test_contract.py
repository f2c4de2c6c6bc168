"""Every method on every learner: finite, seam restored, resumed runs end with the same weights."""

import os
import signal
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from devices import diagonal, placed, trainer_options
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from pairs import two_learners_each
from tiny import LEARNERS, METHODS, PLUGINS, make_data, make_learner, make_method, make_trainer

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import InputError, PreemptedError
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.methods import Unlearner
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.types import Sample, Split

NAMES = [*METHODS, *PLUGINS]
pytestmark = [
    pytest.mark.filterwarnings("ignore:SCRUB with max_epochs"),  # runs of one epoch
    pytest.mark.filterwarnings("ignore:.*does not have a deterministic implementation"),
]
PAIRS = [(method, learner) for method in NAMES for learner in LEARNERS]
VARIANTS = ["autocast", "accumulated", "one image", "three images", "half the data"]


def pairwise_with(variant: str) -> list[Any]:
    """All pairs of a method and a learner; `slow`, but for a fifth of them.

    That is a diagonal of the table of methods and learners: every two of method, learner and variant meet in it.
    """
    shift = VARIANTS.index(variant)
    kept = {(m, n) for i, m in enumerate(NAMES) for j, n in enumerate(LEARNERS) if (i + j) % len(VARIANTS) == shift}
    return [pytest.param(*pair, marks=() if pair in kept else pytest.mark.slow) for pair in PAIRS]


def weights(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in learner.state_dict().items()}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> list[str]:
    return [name for name in before if not torch.equal(before[name], after[name])]


def stepped(trainer: UnlearningTrainer, method: str) -> bool:
    """Whether the last epoch had a finite loss; a method that edits weights has no step."""
    trains = "plugins" in make_method(method) or make_method(method)["method"].takes_steps
    return bool(torch.isfinite(trainer.callback_metrics["train/loss"])) if trains else trainer.global_step == 0


UNBROKEN = [
    pytest.param(param.values, marks=param.marks, id="-".join(param.values))
    for param in (
        *placed("cpu", two_learners_each(NAMES, [*LEARNERS])),
        *placed("device", diagonal(NAMES, [*LEARNERS])),
    )
]


class Unbroken(NamedTuple):
    method: str
    name: str
    learner: Learner
    data: UnlearningData
    trainer: UnlearningTrainer
    options: dict[str, Any]


@pytest.fixture(scope="module", params=UNBROKEN)
def unbroken(request: pytest.FixtureRequest, originals: dict[str, Path]) -> Unbroken:
    """A run of three epochs, made once for the tests that look at how it ended."""
    place, method, name = request.param
    seed_everything(0, verbose=False)
    options = trainer_options(place, request.config)
    learner, data, trainer = make_learner(name), make_data(), make_trainer(max_epochs=3, **options)
    trainer.unlearn(learner, data, str(originals[name]), **make_method(method))
    return Unbroken(method, name, learner, data, trainer, options)


def test_trains_and_leaves_the_seam_as_it_was(unbroken: Unbroken) -> None:
    method, _, learner, _, trainer, _ = unbroken
    assert stepped(trainer, method)
    assert all(torch.isfinite(value).all() for value in learner.state_dict().values())
    assert learner.objective is mean_loss
    assert len(trainer.callbacks) == len(make_trainer().callbacks)


AUTOCAST = [*placed("cpu", pairwise_with("autocast")), *placed("device", diagonal(NAMES, [*LEARNERS]))]


@pytest.mark.parametrize(("options", "method", "name"), AUTOCAST, indirect=["options"])
def test_trains_under_autocast(options: dict[str, Any], method: str, name: str, originals: dict[str, Path]) -> None:
    learner, trainer = make_learner(name), make_trainer(max_epochs=1, precision="bf16-mixed", **options)
    trainer.unlearn(learner, make_data(), str(originals[name]), **make_method(method))
    assert stepped(trainer, method)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in learner.parameters())


@pytest.mark.parametrize(("method", "name"), pairwise_with("accumulated"))
def test_trains_with_accumulated_and_clipped_gradients(method: str, name: str, originals: dict[str, Path]) -> None:
    steps, norms, moves = [], [], []

    class Norms(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
            moves.append([p.detach().clone() for p in pl_module.parameters() if p.requires_grad])
            norms.append(sum(float(p.grad.norm()) ** 2 for p in pl_module.parameters() if p.grad is not None) ** 0.5)

    for options in ({}, {"accumulate_grad_batches": 2, "gradient_clip_val": 1e-6, "callbacks": [Norms()]}):
        learner = make_learner(name)
        learner.optimize_with(partial(torch.optim.SGD, lr=0.01))
        trainer = make_trainer(max_epochs=2, **options)
        trainer.unlearn(learner, make_data(), str(originals[name]), **make_method(method))
        steps.append(trainer.global_step)
        assert stepped(trainer, method)
    epochs = {"SCRUB": [1, 2]}.get(method, [steps[0] // 2] * 2)
    assert steps[1] == sum(-(-batches // 2) for batches in epochs)
    assert len(norms) == steps[1]
    assert not norms or max(norms) > 1e-6  # there was something to clip
    for before, after in pairwise(moves):  # plain SGD moves by no more than the rate times the clipped norm
        assert sum(float((b - a).norm()) ** 2 for b, a in zip(before, after, strict=True)) ** 0.5 < 1e-7


@pytest.mark.parametrize(
    ("method", "name", "count"),
    [
        pytest.param(*pair.values, count, marks=pair.marks)
        for count, variant in ((1, "one image"), (3, "three images"), (21, "half the data"))
        for pair in pairwise_with(variant)
    ],
)
@pytest.mark.filterwarnings("ignore:.*(one image to forget|ll images to forget)", "ignore:SSD shrank no weight")
def test_meets_requests_of_one_image_and_of_half_the_data(
    method: str, name: str, count: int, originals: dict[str, Path]
) -> None:
    learner, data = make_learner(name), make_data()
    trainer = make_trainer(max_epochs=1)
    request = ForgetRequest(count=count)
    trainer.unlearn(learner, data, str(originals[name]), forget=request, **make_method(method))
    assert len(data.positions("forget")) == count
    assert stepped(trainer, method)
    assert all(torch.isfinite(p).all() for p in learner.parameters())


class Stops(Callback):
    """Ends a run in its second epoch, after an odd number of its steps, as a scheduler would."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_resumes_to_the_same_weights(unbroken: Unbroken, originals: dict[str, Path], tmp_path: Path) -> None:
    method, name, expected, _, whole, options = unbroken
    half = make_trainer(tmp_path / "run", max_epochs=3, callbacks=[Stops()], **options)
    trains = whole.global_step > 0
    with pytest.raises(PreemptedError) if trains else nullcontext():
        half.unlearn(make_learner(name), make_data(), str(originals[name]), **make_method(method))
    assert half.global_step < whole.global_step or not trains
    torch.rand(7)  # a resumed process has drawn other numbers before
    resumed = make_learner(name)
    rest = make_trainer(tmp_path / "run", max_epochs=3, **options)
    rest.unlearn(resumed, make_data(), str(originals[name]), **make_method(method), ckpt_path="last")
    assert rest.global_step == whole.global_step
    assert moved(weights(expected), weights(resumed)) == []


class Breaks(Callback):
    """Fails in the first step, or before it where a method takes none."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.should_stop:
            raise RuntimeError("disk full")

    def on_train_batch_start(self, *_: Any) -> None:
        raise RuntimeError("disk full")


@pytest.mark.parametrize("method", NAMES)
def test_a_failed_run_leaves_the_seam_as_it_was(method: str, originals: dict[str, Path]) -> None:
    learner, data = make_learner("SimCLR"), make_data()
    trainer = make_trainer(callbacks=[Breaks()])
    with pytest.raises(RuntimeError, match="disk full"):
        trainer.unlearn(learner, data, str(originals["SimCLR"]), **make_method(method))
    assert learner.objective is mean_loss


def test_a_refused_resume_loses_nothing(originals: dict[str, Path], tmp_path: Path) -> None:
    original, run = str(originals["SimCLR"]), tmp_path / "run"
    make_trainer(run, max_epochs=1).unlearn(make_learner("SimCLR"), make_data(), original)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    again, other = make_trainer(run, max_epochs=2), ForgetRequest(count=5)
    with pytest.raises(InputError, match="when resuming, got other ones"):
        again.unlearn(make_learner("SimCLR"), make_data(), original, forget=other, ckpt_path="last")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


class Measures(Unlearner):
    """Counts what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[set[int], bool]] = []

    def measure(self, learner: Learner, streams: Mapping[Split, Iterable[Sample]]) -> None:
        rows = {row for sample in streams["forget"] for row in sample.index.tolist()}
        losses = [learner.losses(learner.outputs(sample), sample) for sample in streams["retain"]]
        assert all(torch.isfinite(loss).all() for loss in losses)
        self.seen.append((rows, learner.training))


def test_a_method_measures_the_original_once(originals: dict[str, Path], tmp_path: Path) -> None:
    method, data, original = Measures(), make_data(), str(originals["SimCLR"])
    before = torch.load(originals["SimCLR"] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learner = make_learner("SimCLR")
    learner.optimize_with(partial(torch.optim.SGD, lr=0.0))
    make_trainer(tmp_path / "run", max_epochs=1).unlearn(learner, data, original, method)
    assert method.seen == [(set(data.positions("forget").tolist()), False)]
    assert all(torch.equal(before[name], p) for name, p in learner.named_parameters())
    resumed = make_trainer(tmp_path / "run", max_epochs=2)
    resumed.unlearn(make_learner("SimCLR"), make_data(), original, method, ckpt_path="last")
    assert len(method.seen) == 1


@pytest.mark.parametrize(("method", "name"), [pair for pair in PAIRS if pair[1] in ("MoCo", "BYOL")])
def test_no_gradient_reaches_the_momentum_encoder(method: str, name: str, originals: dict[str, Path]) -> None:
    learner = make_learner(name, momentum=1.0)  # with momentum 1 only a gradient or weight decay could move it
    learner.load_state_dict(torch.load(originals[name] / "checkpoints/last.ckpt")["state_dict"])
    slow = [name for name, _ in learner.named_parameters() if "key_encoder" in name or "target_encoder" in name]
    before = weights(learner)
    make_trainer(max_epochs=2).unlearn(learner, make_data(), str(originals[name]), **make_method(method))
    changed = moved(before, weights(learner))
    assert slow
    after = weights(learner)
    assert all(torch.equal(before[name].abs(), after[name].abs()) for name in slow)  # one method negates weights
    assert any(name.startswith("backbone") for name in changed)
