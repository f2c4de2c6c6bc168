"""Unlearning starts with a queue of retained images: no key of a forgotten one serves as a negative."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_method, make_trainer
from torch import Tensor
from torch.nn import functional as F

from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import MoCo
from unlearning_pl.methods import AlignmentCalibration, CoUn, FineTune, GradientAscent, Unlearner
from unlearning_pl.methods.unlearner import retained_samples


class AtStart(Callback):
    """The queue that the first step of a run meets, and the positions that were read before it."""

    def __init__(self, data: UnlearningData) -> None:
        self.read: list[Tensor] = []
        self.data, self.samples_at = data, data.samples_at
        data.samples_at = lambda index: self.read.append(index) or self.samples_at(index)

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
    trainer = make_trainer(logger=False)
    again = make_data()
    again.trainer, trainer.training = trainer, True
    trainer.strategy.connect(learner)
    sample = next(retained_samples(again, torch.device("cpu")))
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
