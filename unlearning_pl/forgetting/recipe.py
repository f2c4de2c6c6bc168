"""Default method and settings of ``forget``: one for each kind of learner, without a search.

Letters: S height and width of the images.
"""

from typing import NamedTuple

from torch.nn.modules.batchnorm import _BatchNorm

from unlearning_pl.learners import CLIP, Classifier, Learner

_SMALL = 2_000_000
"""Parameters below which a network takes a higher learning rate, as benchmarks of small encoders do."""
_LARGE_IMAGES = 96
"""S from which images count as large, whose contrastive views are blurred."""


class Recipe(NamedTuple):
    """Method and settings.

    Attributes:
        method: Name of the method.
        epochs: Number of epochs.
        data: Options of the views and the batch.
        unlearn: Options of the method, the optimizer and the epochs.
    """

    method: str
    epochs: int
    data: list[str]
    unlearn: list[str]

    def __str__(self) -> str:
        return " ".join(word.removeprefix("--") for word in self.unlearn)


def default_recipe(learner: Learner, side: int) -> Recipe:
    """Settings for a trained network: few steps at a low learning rate, so that it stays what it was.

    A classifier gets NegGradPlus, whose ascent at b = 0.9 is small beside the descent on the retain set,
    and images shifted by up to an eighth and mirrored. SimCLR, MoCo, BYOL and CLIP get alignment calibration with MUC's
    alpha and beta, and the views of their papers. The rate is 0.02 for networks below two million parameters, 0.01 for
    larger ones with batch normalisation, and 0.003 without (transformers, ConvNeXt); alignment calibration has MUC's
    0.006. CLIP has AdamW at 1e-5.

    Args:
        learner: The learner.
        side: S.

    Example:
        >>> print(default_recipe(Classifier("resnet9_slim", 10), side=32).method)
        NegGradPlus
    """
    if isinstance(learner, Classifier):
        views = ["SupervisedViews", "--data.views.padding", str(max(1, side // 8))]
        method = ["--method", "NegGradPlus", "--method.weight", "0.9"]
        return _recipe(method, 5, [*_views(views), "--data.batch_size", "64"], _sgd(_rate(learner)))
    method = ["--method", "AlignmentCalibration", "--method.alpha", "1", "--method.beta", "8"]
    if isinstance(learner, CLIP):
        views = ["CropViews", "--data.views.min_scale", "0.9", "--data.views.flip_p", "0"]
        adam = ["--optimizer", "AdamW", "--optimizer.lr", "1e-5"]
        return _recipe(method, 5, [*_views(views), "--data.batch_size", "128"], adam)
    blur = ["--data.views.blur", "true"] if side >= _LARGE_IMAGES else []
    views = ["ContrastiveViews", "--data.views.min_scale", "0.1", *blur]
    return _recipe(method, 10, [*_views(views), "--data.batch_size", "256"], _sgd("0.006"))


def _views(words: list[str]) -> list[str]:
    return ["--data.views", *words]


def _rate(learner: Learner) -> str:
    if sum(parameter.numel() for parameter in learner.parameters()) < _SMALL:
        return "0.02"
    return "0.01" if any(isinstance(module, _BatchNorm) for module in learner.modules()) else "0.003"


def _sgd(rate: str) -> list[str]:
    return [
        "--optimizer",
        "SGD",
        "--optimizer.lr",
        rate,
        "--optimizer.momentum",
        "0.9",
        "--optimizer.weight_decay",
        "5e-4",
    ]


def _recipe(method: list[str], epochs: int, data: list[str], optimizer: list[str]) -> Recipe:
    unlearn = [*method, *optimizer, "--schedule", "cosine", "--trainer.max_epochs", str(epochs)]
    return Recipe(method[1], epochs, data, unlearn)
