"""Retain-only relearning: what training on retain images alone brings back of the forget images.

References:
    [1] Siddiqui et al., From Dormant to Deleted: Tamper-Resistant Unlearning Through Weight-Space Regularization, arXiv
        2505.22310
"""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from typing_extensions import override

from unlearning_pl.audits.embeddings import Audit, Embeddings
from unlearning_pl.audits.extract import AUDITED, embed_batch
from unlearning_pl.audits.forget_figures import forget_figures
from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.audits.gather_batches import BatchEmbeddings, concat_batches
from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.audits.sample_losses import per_sample_losses
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.make_samples import view_stream
from unlearning_pl.data.plans import InputSpec, SamplePlan, TrainingPlan
from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.errors import DivergedError
from unlearning_pl.evaluation.relearning import train_copy
from unlearning_pl.learners import Learner
from unlearning_pl.methods.unlearner import evaluation_mode
from unlearning_pl.report.wording import pluralize
from unlearning_pl.types import Split

_log = logging.getLogger(__name__)
_JUDGED: tuple[Split, ...] = ("forget", "test")


class RecordForgetImages(Callback):
    """Feed the retain images, and record the figures of the forget images before the first epoch and after each.

    Args:
        data: The data.
        views: Views of an image that the membership score of an encoder compares.
    """

    def __init__(self, data: UnlearningData, views: int) -> None:
        self.data, self.views = data, views
        self.figures: list[dict[str, float]] = []

    def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
        """The retain images as the only stream."""
        return plan.feed(lambda epoch: ("retain",))

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._record(pl_module)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._record(pl_module)

    def _record(self, learner: LightningModule) -> None:
        assert isinstance(learner, Learner)
        learner.check_finite()  # the learner's own check comes after the callbacks
        self.figures.append(forget_figures(embed_for_figures(learner, self.data, self.views)))

    @property
    def curve(self) -> RelearningCurve:
        """What was recorded."""
        rows = {key: tuple(row[key] for row in self.figures if key in row) for key in ("accuracy", "auc", "loss")}
        return RelearningCurve(tuple(range(len(self.figures))), **rows)


def embed_for_figures(learner: Learner, data: UnlearningData, views: int) -> dict[Split, Embeddings]:
    """Embed forget and test images on the model's device, and for a model without classes the retain images.

    The views are the same at every call and for every model, and the random state stays as it is. Only what the figures
    need is computed: of a classifier no views, of retain images the features.
    """
    with evaluation_mode(learner), fused_batch_norm(learner), torch.no_grad():
        if learner.knows_classes and learner.num_views == 1:  # it needs no view
            return {split: _embed_clean(learner, data, AUDITED[split], losses=True) for split in _JUDGED}
        compared = views if learner.context_length is None else 2
        plan = SamplePlan.embedding(InputSpec.of(learner), compared, seed=0)
        found = {split: _embed(learner, data, AUDITED[split], plan) for split in _JUDGED}
        return {"retain": _embed_clean(learner, data, "retain"), **found}


def _embed(learner: Learner, data: UnlearningData, split: Split, plan: SamplePlan) -> Embeddings:
    batches: list[BatchEmbeddings] = []
    for rows in data.loader(data.positions(split), plan):
        on_device = rows.to(learner.device)
        with isolated_rng(learner.device, run_seed(plan.seed, "evaluate", on_device.first)):
            batches += embed_batch([learner], *view_stream(data.pool, data.views, on_device), [None])
    return concat_batches(batches, bool(data.class_names))


def _embed_clean(learner: Learner, data: UnlearningData, split: Split, losses: bool = False) -> Embeddings:
    plan = SamplePlan.embedding(InputSpec.of(learner)._replace(context_length=None), views=0, seed=0)
    batches: list[BatchEmbeddings] = []
    for sample in data.samples((split,), plan, learner.device)[split]:
        features, none = learner.features(sample.views[0]), torch.zeros(len(sample.index), 0)
        logits = learner.classify(features)
        loss = per_sample_losses(learner, sample).float() if losses else None
        known: BatchEmbeddings = {"index": sample.index, "target": sample.target, "features": features.float()}
        known |= {"logits": logits, "losses": loss, "similarities": none, "anchor": none, "positive": none}
        batches.append({name: None if value is None else value.cpu() for name, value in known.items()})
    return concat_batches(batches, bool(data.class_names))


def retain_relearning(
    learner: Learner, data: UnlearningData, epochs: int, views: int = 10, **options: Any
) -> RelearningCurve:
    """Train a copy of a model on the retain images alone, and record what it shows of the forget images [1].

    A method that has only hidden the forget images gives them back, though the training never sees them; the retrained
    model, which never saw them, stays where it is: its curve is the comparison. The training is that of
    :func:`~unlearning_pl.evaluation.relearning.train_copy`.

    Args:
        learner: The model, which stays as it is.
        data: The data, with a forget set.
        epochs: Number of epochs, at least 1.
        views: Views of an image that the membership score of an encoder compares.
        options: Options of the trainer.

    Returns:
        The figures of :func:`~unlearning_pl.audits.forget_figures.forget_figures` before the first epoch and after
        each; they end before the epoch in which the model diverges.
    """
    data.load()
    recorder = RecordForgetImages(data, views)
    with suppress(DivergedError):
        train_copy(learner, data, recorder, epochs, **options)
    return recorder.curve


def add_retain_relearning(
    audits: Sequence[Audit],
    learners: Mapping[str, Learner],
    data: UnlearningData,
    epochs: int,
    views: int,
    **options: Any,
) -> list[Audit]:
    """Add the curve of each model, and its values after the last epoch as metrics; takes a training of each model."""
    curves = {}
    for audit in audits:
        _log.info(f"Training of {audit.name} on the retain images, {pluralize(epochs, 'epoch')}")
        curves[audit.name] = retain_relearning(learners[audit.name], data, epochs, views, **options)
    return [
        replace(
            audit,
            metrics=audit.metrics | curve_metrics(curves[audit.name], epochs),
            retain_relearning=curves[audit.name],
        )
        for audit in audits
    ]


def curve_metrics(curve: RelearningCurve, epochs: int) -> dict[str, float]:
    """Accuracy and AUC after the last epoch, and their changes since epoch 0; none if the curve ended earlier.

    Example:
        >>> curve_metrics(RelearningCurve((0, 1), (), (0.5, 0.75), (2.0, 0.5)), epochs=1)
        {'retain_relearning_auc': 0.75, 'retain_relearning_auc_change': 0.25}
    """
    metrics: dict[str, float] = {}
    for figure in ("accuracy", "auc") if len(curve.epochs) == epochs + 1 else ():
        last, change = curve.last(figure), curve.change(figure)
        if last is not None and change is not None:
            key = f"retain_relearning_{figure}"
            metrics |= {key: last, f"{key}_change": change}
    return metrics
