"""Tiny real data, learners and methods that the tests of several rooms share."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.optim import SGD

from unlearning_pl.data import Digits, ForgetRequest, ImageSet, TemplateCaptions, UnlearningData
from unlearning_pl.data.captions import tokenize
from unlearning_pl.learners import BYOL, CLIP, Classifier, Learner, MoCo, SimCLR
from unlearning_pl.methods import (
    SCRUB,
    SLUG,
    SSD,
    AlignmentCalibration,
    BadTeacher,
    ContrastiveUnlearning,
    CoUn,
    FineTune,
    GradientAscent,
    GradientPenalty,
    HeldOutCalibration,
    L1Sparse,
    NegGrad,
    NegGradPlus,
    PlugIn,
    RandomLabel,
    ReGUn,
    SalUn,
    Unlearner,
    WeightDistance,
    WeightNegation,
)
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.training.weights import load_weights
from unlearning_pl.types import Sample


class FewDigits(Digits):
    """Digits with the first 100 of their 797 test images, for tests that look at many models."""

    def load(self) -> tuple[ImageSet, ImageSet]:
        train, test = super().load()
        return train, test.take(list(range(100)))


READERS = {"unlearn", "audit", "test", "validate", "predict"}


def allowing(words: list[str]) -> list[str]:
    """A command, which may read runs on :class:`FewDigits`."""
    return [*words, "--allow", "tiny"] if words and words[0] in READERS else words


LEARNERS: dict[str, partial[Learner]] = {
    "SimCLR": partial(SimCLR, "resnet9_slim", temperature=0.2),
    "MoCo": partial(MoCo, "resnet9_slim", queue_size=32),
    "BYOL": partial(BYOL, "resnet9_slim", hidden_dim=32, projection_dim=16),
    "Classifier": partial(Classifier, "resnet9_slim"),
    "CLIP": partial(CLIP, "ViT-slim", image_size=8),
}
METHODS: dict[str, partial[Unlearner]] = {
    "FineTune": partial(FineTune),
    "GradientAscent": partial(GradientAscent),
    "NegGrad": partial(NegGrad),
    "GradientPenalty": partial(GradientPenalty),
    "AlignmentCalibration": partial(AlignmentCalibration),
    "NegGradPlus": partial(NegGradPlus),
    "RandomLabel": partial(RandomLabel),
    "SalUn": partial(SalUn),
    "SCRUB": partial(SCRUB, max_epochs=1),
    "BadTeacher": partial(BadTeacher),
    "ReGUn": partial(ReGUn),
    "WeightNegation": partial(WeightNegation),
    "SSD": partial(SSD, selection=1.0),
    "SLUG": partial(SLUG, target=1.0, tries=3),
    "ContrastiveUnlearning": partial(ContrastiveUnlearning, stop=False),
    "HeldOutCalibration": partial(HeldOutCalibration),
}
PLUGINS: dict[str, partial[PlugIn]] = {
    "CoUn": partial(CoUn),
    "L1Sparse": partial(L1Sparse),
    "WeightDistance": partial(WeightDistance),
}


def make_learner(name: str, **options: Any) -> Learner:
    learner = LEARNERS[name](**options)
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9, weight_decay=5e-4))
    return learner


def make_method(name: str) -> dict[str, Any]:
    """Arguments of ``unlearn`` for a method, or for a plug-in on top of fine-tuning."""
    if name in PLUGINS:
        return {"method": FineTune(), "plugins": [PLUGINS[name]()]}
    return {"method": METHODS[name]()}


def make_data(**options: Any) -> UnlearningData:
    options = {"forget": ForgetRequest(count=8), "batch_size": 16, "validation": 0.1, **options}
    digits = FewDigits(train_size=48, image_size=8)
    return UnlearningData(TemplateCaptions(digits, ["the number {}", "a {}"]), **options)


def make_trainer(run: Path | None = None, **options: Any) -> UnlearningTrainer:
    options = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "num_sanity_val_steps": 0, **options}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    return UnlearningTrainer(run=None if run is None else str(run), **quiet, **options)


def evaluated(name: str, run: str, **options: Any) -> dict[str, float]:
    """Means over a few validation images, in one batch, and over many test images, the last batch small."""
    learner, data = make_learner(name), make_data(batch_size=32)
    load_weights(learner, run)
    trainer = make_trainer(logger=False, **options)
    found: dict[str, float] = {}
    for verb in (trainer.validate, trainer.test):
        found |= verb(learner, datamodule=data, verbose=False)[0]
    return found


def make_rows(n: int, start: int = 0, size: int = 8) -> Sample:
    views, target = (torch.randn(n, 3, size, size), torch.randn(n, 3, size, size)), torch.randint(10, (n,))
    text = tokenize([f"number {value}" for value in target.tolist()], 24).long()
    return Sample(views, target, torch.arange(start, start + n), text)
