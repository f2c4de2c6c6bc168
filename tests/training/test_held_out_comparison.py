"""What `--stop held_out` compares where it can compare little or nothing, and what it refuses."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_learner, make_trainer
from training.stopping import data_of, unlearned

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.errors import DivergedError, InputError
from unlearning_pl.learners import Learner
from unlearning_pl.option_words import command_line
from unlearning_pl.training import held_out_stop
from unlearning_pl.training.held_out_comparison import compare, compared_images
from unlearning_pl.training.held_out_stop import HeldOutStop, check_held_out_stop


def prepared(name: str, data: UnlearningData) -> tuple[Any, Learner]:
    return SimpleNamespace(datamodule=data, seed=0, global_rank=0, world_size=1), make_learner(name).eval()


def test_one_image_and_equal_scores_are_not_told_apart(held_out_originals: dict[str, Path]) -> None:
    data = data_of(forget=ForgetRequest(count=1))
    trainer, learner = prepared("SimCLR", data)
    low, high = compare(trainer, learner).difference.interval(held_out_stop.TOLD_APART)
    assert low < 0 < high
    with pytest.warns(UserWarning, match="told apart at no step"):
        unlearned(held_out_originals["SimCLR"], data=data, stop="held_out", max_epochs=1)
    trainer, learner = prepared("Classifier", data_of())
    torch.nn.init.zeros_(learner.head.weight)
    torch.nn.init.zeros_(learner.head.bias)
    assert compare(trainer, learner).difference.auc == 0.5


def test_classes_that_nobody_held_out_are_left_out_or_refused() -> None:
    data = data_of()
    targets = data.load()[0].targets
    targets[data.positions("validation")] = 0
    targets[data.positions("forget")[:4]] = 0
    targets[data.positions("forget")[4:]] = 1
    learner = make_learner("Classifier")
    forget, held_out, weights = compared_images(learner, data)
    assert torch.equal(forget, data.positions("forget")[:4])
    assert weights.tolist() == pytest.approx([1 / len(held_out)] * len(held_out))
    targets[data.positions("forget")] = 1
    trainer: Any = SimpleNamespace(callbacks=[HeldOutStop()])
    with pytest.raises(InputError, match="held-out images of the classes to forget"):
        check_held_out_stop(trainer, learner, data)
    assert compared_images(make_learner("SimCLR"), data)[2].sum() == pytest.approx(1)  # it does not know of classes


def test_weights_that_are_not_finite_are_no_best_step(held_out_originals: dict[str, Path]) -> None:
    class Breaks(Callback):
        def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
            next(pl_module.backbone.parameters()).data.fill_(float("nan"))

    with pytest.raises(DivergedError):
        unlearned(held_out_originals["SimCLR"], callbacks=[Breaks()], stop="held_out", stop_every=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stop": "held_out", "data": {"validation": 0.0}}, "Expected held-out images for --stop held_out, got 0"),
        ({"stop": "held_out", "method": "SSD"}, "got SSD, which takes none: there is nothing to stop"),
        ({"stop": "validation"}, "Expected --stop held_out, got 'validation'"),
        ({"stop": "held_out", "stop_every": 0}, "Expected stop_every >= 1, got 0"),
        ({"stop_every": 5}, "got --stop_every 5 alone"),
        ({"stop": "held_out", "min_epochs": 2}, "Expected no trainer.min_epochs and min_steps"),
    ],
)
def test_wrong_settings_are_told_before_anything_is_written(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = {"validation": 0.4, **options.pop("data", {})}
    original = tmp_path / "SimCLR/original"
    make_trainer(original, max_epochs=1).fit(make_learner("SimCLR"), datamodule=data_of(**data))
    with command_line(), pytest.raises(InputError, match=message):
        unlearned(original, tmp_path / "run", data=data_of(**data), **options)
    assert not (tmp_path / "run").exists()
