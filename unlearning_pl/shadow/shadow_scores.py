"""What every model says of the images to forget and of the test images, as one number an image.

Letters: N images to forget, Z test images, S models.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import seed_everything
from torch import Tensor

from unlearning_pl.audits.embeddings import Embeddings, require_finite
from unlearning_pl.data import UnlearningData
from unlearning_pl.functional.confidence import scaled_logit
from unlearning_pl.functional.threshold_attack import encoder_score
from unlearning_pl.io import write_bytes
from unlearning_pl.training import runs
from unlearning_pl.training.trainer import UnlearningTrainer

_AT_ONCE = 8
"""Models that are in memory together; all see the same pictures, however many take part."""


class Scores(NamedTuple):
    """Score of each image by one model, or by several in rows; high for an image that a model was trained on.

    A classifier's is the log odds of the true class of the clean image; another encoder's is the mean cosine similarity
    of all pairs of augmented views. LiRA's paper averages the log odds over views; one clean image is our reading.

    Attributes:
        images: Of the images to forget, ``(N,)`` or ``(S, N)`` float64.
        population: Of the test images, ``(Z,)`` or ``(S, Z)`` float64.
        classifier: Whether they are log odds.
    """

    images: Tensor
    population: Tensor
    classifier: bool

    def probabilities(self) -> "Scores":
        """Probabilities of the true class; of an encoder, similarities moved to (0, 1], which is our reading.

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
    """The scores of several models in rows.

    Example:
        >>> one = Scores(torch.zeros(3), torch.zeros(5), classifier=True)
        >>> stacked([one, one]).population.shape
        torch.Size([2, 5])
    """
    images = torch.stack([model.images for model in models])
    return Scores(images, torch.stack([model.population for model in models]), models[0].classifier)


def score_models(models: Mapping[str, str | Path], data: UnlearningData, views: int) -> dict[str, Scores]:
    """Score the images to forget and the test images by several runs, on the same pictures.

    Args:
        models: Run folders by name.
        data: With the images to forget.
        views: Augmented views an image.

    Raises:
        InputError: If a run cannot be read, or answers NaN or infinity.
    """
    seed_everything(0, verbose=False)
    quiet: dict[str, Any] = {"logger": False, "enable_model_summary": False, "enable_progress_bar": False}
    found: dict[str, Scores] = {}
    rest = iter(models.items())
    while portion := dict(islice(rest, _AT_ONCE)):
        learners = {name: runs.open_learner(run) for name, run in portion.items()}
        trainer = UnlearningTrainer(devices=1, **quiet)
        for name, looks in trainer.embed(learners, data, views, ("forget", "test")).items():
            require_finite(name, looks)
            found[name] = Scores(_score(looks["forget"]), _score(looks["test"]), looks["test"].logits is not None)
    return found


def _score(looks: Embeddings) -> Tensor:
    if looks.logits is None:
        return encoder_score(looks.similarities.double())
    return scaled_logit(looks.logits.double(), looks.target)


def write_scores(path: Path, columns: Mapping[str, Tensor | Sequence[str]]) -> Path:
    """Write tensors and lists of ids as one compressed NumPy file, whole or not at all."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {name: np.asarray(column) for name, column in columns.items()}
    np.savez_compressed(buffer, **arrays)
    return write_bytes(path, buffer.getvalue())
