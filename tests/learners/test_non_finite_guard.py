"""Losses that are not finite: the run stops, names the images, and keeps nothing broken."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import DivergedError
from unlearning_pl.learners import Learner, mean_loss


def test_images_of_a_broken_loss_are_named_and_nothing_broken_is_kept(tmp_path: Path) -> None:
    fed: list[list[int]] = []

    class Fed(Callback):
        def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, *_: Any) -> None:
            fed.append(batch["train"].index.tolist())

    def broken(learner: Learner, batch: Any) -> torch.Tensor:
        return mean_loss(learner, batch) * (float("nan") if learner.trainer.global_step in (7, 8) else 1.0)

    learner = make_learner("SimCLR")
    learner.objective = broken
    trainer, data = make_trainer(tmp_path / "run", callbacks=[Fed()], checkpoint_minutes=0), make_data(batch_size=8)
    with pytest.raises(DivergedError) as error:
        trainer.fit(learner, datamodule=data)
    names = str(error.value).split("first in the batch of ")[1].split(". ")[0].split(", ")
    assert names == [data.ids[row] for row in sorted(fed[7])]
    saved = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 7  # the last one that was sound
    assert all(torch.isfinite(value).all() for value in saved["state_dict"].values())


def test_a_broken_loss_stops_a_long_epoch_early(tmp_path: Path) -> None:
    learner = make_learner("SimCLR")
    learner.objective = lambda module, batch: mean_loss(module, batch) * float("nan")
    trainer = make_trainer(tmp_path / "run", log_every_n_steps=2)
    with pytest.raises(DivergedError):
        trainer.fit(learner, datamodule=make_data(batch_size=8))
    assert trainer.global_step == 2


def test_numbers_are_looked_at_where_steps_are_not_logged(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path / "run", log_every_n_steps=0, max_epochs=1)
    trainer.fit(make_learner("SimCLR"), datamodule=make_data(batch_size=8))
    assert trainer.global_step == 5
