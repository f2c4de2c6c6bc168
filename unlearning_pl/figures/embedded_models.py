"""Embeddings of the models of a figure, as an audit makes them."""

from collections.abc import Mapping
from typing import Any

from unlearning_pl.audits.embeddings import Embeddings, require_finite
from unlearning_pl.audits.extract import AUDITED
from unlearning_pl.data import UnlearningData
from unlearning_pl.figures.drawing import SPLITS
from unlearning_pl.learners import Learner
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT
from unlearning_pl.types import Split


def embed_models(
    learners: Mapping[str, Learner], data: UnlearningData, views: int = 2, **options: Any
) -> dict[str, dict[Split, Embeddings]]:
    """Embed the images of each split that has any, clean and in the same views for all models.

    Args:
        learners: The models by name.
        data: The data.
        views: Augmented views per image, at least 2.
        options: Options of the trainer.

    Raises:
        InputError: With fewer than two views, without retain or test images, or if an embedding is not finite.
    """
    data.load()
    splits = [split for split in SPLITS if split != "forget" or len(data.positions(AUDITED[split]))]
    trainer = UnlearningTrainer(devices=1, callbacks=ProgressLog("Embedding"), seed=0, **SILENT, **options)
    embedded = trainer.embed(learners, data, views, splits)
    for name, embeddings in embedded.items():
        require_finite(name, embeddings)
    return embedded


def split_label(split: Split, splits: Mapping[Split, Any]) -> str:
    """Name of a split in a figure: without a forget set, retain images are all training images.

    Example:
        >>> split_label("retain", {"retain": 1, "test": 1}), split_label("retain", {"retain": 1, "forget": 1})
        ('train', 'retain')
    """
    return "train" if split == "retain" and "forget" not in splits else split
