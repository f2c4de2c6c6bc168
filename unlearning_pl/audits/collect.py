"""Collects what a model says of images, through Lightning: device, precision and batches are the trainer's.

Letters: B rows of a batch, V augmented views, D width of the features, E of the embeddings, K classes.
"""

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from unlearning_pl.audits.base import Embeddings
from unlearning_pl.data import UnlearningData
from unlearning_pl.errors import require
from unlearning_pl.functional.attacks import pair_similarities
from unlearning_pl.learners import Learner
from unlearning_pl.sample import Sample, Split

AUDITED: dict[Split, Split] = {"retain": "retain", "forget": "forgotten", "test": "test"}
"""What is looked at under each name: to an audit, forget is what any step forgot."""


class Embedder(LightningModule):
    """Looks at clean and augmented images with a learner in evaluation mode.

    Args:
        learner: The model to look at.
    """

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    @override
    def predict_step(self, batch: Sample, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Tensor | None]:
        clean, *views = batch.views
        features = self.learner.features(clean)
        logits = self.learner.class_scores(clean)
        looks = {
            "index": batch.index,
            "target": batch.target,
            "features": features.float(),
            "similarities": pair_similarities(torch.stack([self.learner.features(view) for view in views], dim=1)),
            "anchor": self.learner.embed(views[0]).float(),
            "positive": self.learner.embed(views[1]).float(),
            "logits": None if logits is None else logits.float(),
        }
        return {name: None if look is None else look.cpu() for name, look in looks.items()}


def collect(trainer: Trainer, learner: Learner, data: UnlearningData, views: int = 10) -> dict[Split, Embeddings]:
    """Embed the retain, forget and test images of a run.

    The augmented views of an image are the same for every model, so that models are compared on the same
    pictures.

    Args:
        trainer: Runs the model; one process.
        learner: The model.
        data: The data, with a forget set.
        views: Augmented views per image, at least 2.

    Raises:
        InputError: If there are fewer than two views, no forget set or no test images.
    """
    require(views >= 2, f"Expected audit views >= 2, got {views}. The papers use 10.")
    for name, split in AUDITED.items():
        require(
            len(data.positions(split)) > 0,
            f"Expected {name} images to audit, got none. Give a forget request.",
        )
    data.look_at(tuple(AUDITED.values()), views)
    batches: Any = trainer.predict(Embedder(learner), datamodule=data)
    data.look_at(None, 0)
    return {name: _joined(looks) for name, looks in zip(AUDITED, batches, strict=True)}


def _joined(batches: list[dict[str, Any]]) -> Embeddings:
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    joined: dict[str, Any] = {name: None if look[0] is None else torch.cat(look) for name, look in columns.items()}
    return Embeddings(**joined)
