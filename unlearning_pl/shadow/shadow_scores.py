"""Scores of models on the images to forget and on the test images, one number per image.

Letters: N images to forget, Z test images, S models.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unlearning_pl.audits.embeddings import Embeddings, require_finite
from unlearning_pl.data import UnlearningData
from unlearning_pl.functional.confidence import scaled_logit
from unlearning_pl.functional.threshold_attack import encoder_score
from unlearning_pl.io import write_bytes
from unlearning_pl.training import runs
from unlearning_pl.training.progress_log import ProgressLog
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.trainer_defaults import SILENT

_CHUNK = 8
"""Maximum number of models in memory at a time; all get the same images, whatever their number."""


class Scores(NamedTuple):
    """Scores of one model, or of several in rows; high for an image that the model was trained on.

    The score of a classifier is the log odds of the true class of the clean image; that of any other encoder is the
    mean cosine similarity over all pairs of augmented views. LiRA's paper averages the log odds over views; scoring the
    clean image only is a deviation from it.

    Attributes:
        images: Scores of the images to forget, ``(N,)`` or ``(S, N)`` float64.
        population: Scores of the test images, ``(Z,)`` or ``(S, Z)`` float64.
        classifier: Whether the scores are log odds.
    """

    images: Tensor
    population: Tensor
    classifier: bool

    def probabilities(self) -> "Scores":
        """Probabilities of the true class; for an encoder its similarities mapped to (0, 1], which is our choice.

        Example:
            >>> Scores(torch.tensor([0.0]), torch.tensor([0.5]), classifier=False).probabilities()[:2]
            (tensor([0.5000]), tensor([0.7500]))
        """
        images, population = (
            (scores.sigmoid() if self.classifier else (1 + scores) / 2).clamp(torch.finfo(scores.dtype).tiny, 1)
            for scores in (self.images, self.population)
        )
        return self._replace(images=images, population=population)


def stacked(models: Sequence[Scores]) -> Scores:
    """Stack the scores of several models in rows.

    Example:
        >>> one = Scores(torch.zeros(3), torch.zeros(5), classifier=True)
        >>> stacked([one, one]).population.shape
        torch.Size([2, 5])
    """
    images = torch.stack([model.images for model in models])
    return Scores(images, torch.stack([model.population for model in models]), models[0].classifier)


def score_models(
    models: Mapping[str, str | Path], data: UnlearningData, views: int, allow: Sequence[str] = ()
) -> dict[str, Scores]:
    """Score the images to forget and the test images with several models; all get the same images.

    Args:
        models: Run folders by name.
        data: The data, split by the request.
        views: Augmented views per image.
        allow: Packages or classes, besides those of this package, that the configurations of the runs may name.

    Raises:
        InputError: If a run cannot be read, or a model returns NaN or infinity.
    """
    scores: dict[str, Scores] = {}
    remaining = iter(models.items())
    while chunk := dict(islice(remaining, _CHUNK)):
        learners = {name: runs.open_learner(run, allow) for name, run in chunk.items()}
        trainer = UnlearningTrainer(devices=1, seed=0, callbacks=ProgressLog("Embedding"), **SILENT)
        for name, by_split in trainer.embed(learners, data, views, ("forget", "test")).items():
            require_finite(name, by_split)
            forget, test = by_split["forget"], by_split["test"]
            scores[name] = Scores(_score(forget), _score(test), test.logits is not None)
    return scores


def _score(embeddings: Embeddings) -> Tensor:
    if embeddings.logits is None:
        return encoder_score(embeddings.similarities.double())
    return scaled_logit(embeddings.logits.double(), embeddings.target)


def write_scores(path: Path, columns: Mapping[str, Tensor | Sequence[str]]) -> Path:
    """Write tensors and lists of ids to one compressed NumPy file, atomically."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(column) for name, column in columns.items()}
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())
