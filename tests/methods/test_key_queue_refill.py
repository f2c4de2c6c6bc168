"""Unlearning has a queue of retained images, first and last: no key of a forgotten one serves as a negative."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_method, make_trainer
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.learners import MoCo
from unlearning_pl.methods import (
    AlignmentCalibration,
    ContrastiveUnlearning,
    CoUn,
    FineTune,
    GradientAscent,
    GradientPenalty,
    HeldOutCalibration,
    NegGrad,
    RandomLabel,
    Unlearner,
)
from unlearning_pl.methods.unlearner import retained_samples


class AtStart(Callback):
    """The queue that the first step of a run meets, and the positions that were read before it."""

    def __init__(self, data: UnlearningData) -> None:
        self.read: list[Tensor] = []
        self.data, self.samples_at = data, data.samples_at
        data.samples_at = lambda index, plan=None: self.read.append(index) or self.samples_at(index, plan)

    def on_train_batch_start(self, trainer: Any, learner: MoCo, batch: object, batch_idx: int) -> None:
        if batch_idx == 0:
            self.keys, self.modes = learner.queue.keys.clone(), {module.training for module in learner.modules()}
            self.refilled = len(self.read)


def start(original: Path, method: Unlearner, queue_size: int = 32, **options: Any) -> tuple[AtStart, UnlearningData]:
    data = make_data()
    at_start, learner = AtStart(data), make_learner("MoCo", queue_size=queue_size)
    weights = torch.load(original / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    weights["queue.keys"] = F.normalize(torch.randn(queue_size, 128), dim=1)
    torch.save(weights, path := original.parent / f"{queue_size}.pt")
    trainer = make_trainer(max_epochs=1, limit_val_batches=0, callbacks=[at_start], logger=False)
    trainer.unlearn(learner, data, str(path), method, **options)
    at_start.old = weights["queue.keys"]
    return at_start, data


@pytest.mark.parametrize("method", [FineTune, GradientAscent, AlignmentCalibration])
@pytest.mark.parametrize("queue_size", [20, 32, 90])
def test_all_keys_are_of_retained_images(method: type[Unlearner], queue_size: int, originals: dict[str, Path]) -> None:
    """Of the 35 retained images; 90 keys take three times as many, in other views."""
    seen, data = start(originals["MoCo"], method(), queue_size)
    read, gone = torch.cat(seen.read[: seen.refilled]), data.positions("forget")
    assert len(read) >= queue_size
    assert not torch.isin(read, gone).any()
    assert set(read[:queue_size].tolist()) <= set(data.positions("retain").tolist())
    assert len(set(read[: min(queue_size, 35)].tolist())) == min(queue_size, 35)
    similarity = seen.keys @ seen.keys.T - 2 * torch.eye(queue_size)
    assert seen.keys.norm(dim=1).sub(1).abs().max() < 1e-5
    assert similarity.max() < 1 - 1e-7 or queue_size <= 35  # no view twice
    assert (seen.keys @ seen.old.T).max() < 0.999
    assert seen.modes == {True}


def test_keys_are_those_of_the_momentum_encoder_in_evaluation_mode(originals: dict[str, Path]) -> None:
    seen, _ = start(originals["MoCo"], FineTune(), 20)
    learner = make_learner("MoCo", queue_size=20).eval()
    learner.load_state_dict(torch.load(originals["MoCo"].parent / "20.pt"))
    again = make_data()
    again.load()
    plan = SamplePlan.training(InputSpec.of(learner), seed=0)
    sample = next(retained_samples(again, plan, torch.device("cpu")))
    keys = F.normalize(learner.key_encoder(sample.views[1]), dim=1)
    torch.testing.assert_close(seen.keys[: len(keys)], keys[:20])


def test_a_plug_in_does_not_refill_it_again(originals: dict[str, Path]) -> None:
    once, _ = start(originals["MoCo"], FineTune())
    with_plug_in, _ = start(originals["MoCo"], FineTune(), plugins=[CoUn()])
    assert with_plug_in.refilled == once.refilled > 0
    assert torch.equal(with_plug_in.keys, once.keys)


def test_a_resumed_run_keeps_its_queue(originals: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_trainer(run, max_epochs=1).unlearn(make_learner("MoCo"), make_data(), str(originals["MoCo"]), FineTune())
    saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]["queue.keys"]
    data = make_data()
    resumed = AtStart(data)
    trainer = make_trainer(run, max_epochs=2, callbacks=[resumed])
    trainer.unlearn(make_learner("MoCo"), data, str(originals["MoCo"]), FineTune(), ckpt_path="last")
    assert resumed.read == []
    assert torch.equal(resumed.keys, saved)


@pytest.mark.parametrize("name", ["SimCLR", "Classifier"])
def test_other_learners_read_nothing(name: str, originals: dict[str, Path]) -> None:
    data = make_data()
    seen = AtStart(data)
    make_trainer(max_epochs=1, logger=False).unlearn(
        make_learner(name), data, str(originals[name]), **make_method("FineTune")
    )
    assert seen.read == []


class MarkedKeys(Callback):
    """Keys that name their image: each is the direction of an angle that its row's position gives."""

    def on_train_start(self, trainer: Any, learner: MoCo) -> None:
        self.started = learner.queue.keys.clone()
        encode = learner._encode_keys
        indices: list[Tensor] = []
        outputs = learner.outputs
        learner.outputs = lambda sample: indices.append(sample.index) or outputs(sample)
        learner._encode_keys = lambda view: 0 * encode(view) + marks(indices[-1])

    def on_train_end(self, trainer: Any, learner: MoCo) -> None:
        del learner.outputs, learner._encode_keys


def marks(index: Tensor) -> Tensor:
    angles = 0.05 * (1 + index[:, None].float())
    return F.pad(torch.cat([angles.cos(), angles.sin()], 1), (0, 126))


def images_in(queue: Tensor, images: int) -> set[int]:
    """Images whose keys a queue has."""
    return set(torch.nonzero((marks(torch.arange(images)) @ queue.T > 1 - 1e-5).any(1))[:, 0].tolist())


@pytest.mark.parametrize(
    "method",
    [
        FineTune,
        NegGrad,
        RandomLabel,
        AlignmentCalibration,
        GradientAscent,
        ContrastiveUnlearning,
        GradientPenalty,
        HeldOutCalibration,
    ],
)
def test_no_step_enqueues_a_key_of_an_image_to_forget_or_held_out(
    method: type[Unlearner], originals: dict[str, Path]
) -> None:
    data, learner, marked = make_data(), make_learner("MoCo"), MarkedKeys()
    trainer = make_trainer(max_epochs=2, limit_val_batches=0, callbacks=[marked], logger=False)
    trainer.unlearn(learner, data, str(originals["MoCo"]), method())
    found = images_in(learner.queue.keys, 48)
    assert found <= set(data.positions("retain").tolist())
    assert bool(found) == (method is not GradientAscent)
    assert torch.equal(learner.queue.keys, marked.started) == (method is GradientAscent)
    assert learner.forget_mask is None


def test_a_resumed_run_leaves_them_out_too(originals: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    make_trainer(run, max_epochs=1).unlearn(make_learner("MoCo"), make_data(), str(originals["MoCo"]), NegGrad())
    data, learner = make_data(), make_learner("MoCo")
    trainer = make_trainer(run, max_epochs=2, callbacks=[MarkedKeys()])
    trainer.unlearn(learner, data, str(originals["MoCo"]), NegGrad(), ckpt_path="last")
    found = images_in(learner.queue.keys, 48)
    assert found
    assert found <= set(data.positions("retain").tolist())


def test_training_enqueues_the_keys_of_all_images() -> None:
    data, learner = make_data(), make_learner("MoCo", queue_size=60)
    make_trainer(max_epochs=2, limit_val_batches=0, callbacks=[MarkedKeys()], logger=False).fit(
        learner, datamodule=data
    )
    assert len(images_in(learner.queue.keys, 48) & set(data.positions("forget").tolist())) > 4
