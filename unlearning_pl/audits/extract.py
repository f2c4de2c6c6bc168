"""Extracts embeddings through Lightning: device, precision and batches are the trainer's.

Letters: B rows of a batch, V augmented views, D width of the features, E of the embeddings, K classes.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from unlearning_pl.audits.embeddings import Embeddings, require_views
from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.audits.gather_batches import BatchEmbeddings, concat_batches, gather_batches
from unlearning_pl.audits.probe_views import probe_features
from unlearning_pl.audits.sample_losses import per_sample_losses
from unlearning_pl.data import UnlearningData
from unlearning_pl.data.loaders import PositionLoader, Rows
from unlearning_pl.data.make_samples import view_stream
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.seeds import effective_seed, isolated_rng, run_seed
from unlearning_pl.data.streams import Share
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import similarities
from unlearning_pl.functional.threshold_attack import pair_similarities
from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample, Split

_log = logging.getLogger(__name__)
AUDITED: dict[Split, Split] = {"retain": "retain", "forget": "forgotten", "test": "test"}
"""The data split that each split of an audit reads: an audit's forget set is all images that any step forgot."""


class Embedder(LightningModule):
    """Lightning module that embeds clean and augmented images with several learners in evaluation mode.

    Args:
        learners: The models to embed the images with.
        data: The data.
        splits: Splits of the data to embed.
        views: V.
        seed: Seed of the augmented views.
        probe_views: Further views of each retain image, for MUC's linear probe.
    """

    def __init__(
        self,
        learners: Sequence[Learner],
        data: UnlearningData,
        splits: Sequence[Split],
        views: int,
        seed: int,
        probe_views: int = 0,
    ) -> None:
        super().__init__()
        self.learners, self._models = nn.ModuleList(learners), tuple(learners)
        self.data, self.splits, self.probe_views = data, splits, probe_views
        self.plan = SamplePlan.embedding(_common_spec(learners), views, seed)
        self._classes = list[Tensor | None]([None] * len(learners))
        # With a split of one batch the other processes have none.
        self.allow_zero_length_dataloader_with_multiple_devices = True

    @override
    def predict_dataloader(self) -> list[PositionLoader]:
        share, pin = Share(self.trainer.global_rank, self.trainer.world_size), self.device.type == "cuda"
        positions = (self.data.positions(split) for split in self.splits)
        return [self.data.loader(rows, self.plan, share=share, pin=pin) for rows in positions]

    @override
    def predict_step(self, batch: Rows, batch_idx: int, dataloader_idx: int = 0) -> list[BatchEmbeddings]:
        seed = run_seed(batch.plan.seed, "evaluate", batch.first)
        # A loss compares the rows of this batch only, not those of other processes.
        with single_process(), isolated_rng(self.device, seed):
            fields = embed_batch(self._models, *view_stream(self.data.pool, self.data.views, batch), self._classes)
        if self.probe_views and self.splits[dataloader_idx] == "retain":
            features = probe_features(self._models, self.data.pool, batch, self.probe_views)
            for columns, values in zip(fields, features, strict=True):
                columns["probe_views"] = values
        return fields

    @override
    def on_predict_start(self) -> None:
        prompts = self.data.prompts(self.plan.context_length)
        if prompts is not None:
            self._classes = [
                None if learner.context_length is None else class_embeddings(learner, prompts.to(self.device))
                for learner in self._models
            ]


def embed_batch(
    models: Sequence[Learner], clean: Sample, views: Iterator[Tensor], classes: Sequence[Tensor | None]
) -> list[BatchEmbeddings]:
    """Compute the fields of :class:`~unlearning_pl.audits.embeddings.Embeddings` for one batch, on the CPU.

    All models embed a view before the next one is made, so that any number of views needs the memory of one, and each
    model embeds it once: the loss reads the features.

    Args:
        models: The models.
        clean: The clean images, with all captions.
        views: Two augmented views or more, each ``(B, 3, H, W)``.
        classes: Class embeddings of each model, ``(K, E)``, see :func:`class_embeddings`.
    """
    features = [learner.features(clean.views[0]) for learner in models]
    fields = [_clean_fields(*row, clean) for row in zip(models, features, classes, strict=True)]
    needed = max([1, *(learner.num_views for learner in models)])
    first = list(islice(views, needed))
    augmented = [[learner.features(view) for view in first] for learner in models]
    sample = clean._replace(views=(*clean.views, *first))
    for learner, columns, clean_features, embedded in zip(models, fields, features, augmented, strict=True):
        columns["losses"] = per_sample_losses(learner, sample, [clean_features, *embedded]).float()
    del first, sample  # their pixels are freed before the next view is made
    for view in views:
        for learner, embedded in zip(models, augmented, strict=True):
            embedded.append(learner.features(view))
        del view  # as above
    for learner, columns, embedded in zip(models, fields, augmented, strict=True):
        columns["similarities"] = pair_similarities(torch.stack(embedded, dim=1))
        for name, view in zip(("anchor", "positive"), embedded, strict=False):
            if name not in columns:
                columns[name] = learner.project(view).float()
    return [{name: None if value is None else value.cpu() for name, value in columns.items()} for columns in fields]


def _clean_fields(learner: Learner, features: Tensor, classes: Tensor | None, clean: Sample) -> BatchEmbeddings:
    """Fields that the clean image and its captions alone decide."""
    logits = learner.classify(features)
    fields: BatchEmbeddings = {
        "index": clean.index,
        "target": clean.target,
        "features": features.float(),
        "logits": None if logits is None else logits.float(),
    }
    if clean.text is not None and learner.context_length is not None:
        anchor = learner.project(features).float()
        captions = _captions(learner, clean.text)
        fields |= {"anchor": anchor, "positive": captions[:, 0], "captions": captions, "text": clean.text[:, 0]}
        fields["zero_shot"] = None if classes is None else similarities(anchor, classes)
    return fields


def _captions(learner: Learner, text: Tensor) -> Tensor:
    """Embeddings ``(B, C, E)`` of all captions ``(B, C, L)``; NaN for missing captions."""
    embedded = learner.embed_text(text.flatten(0, 1)).float()
    return embedded.view(*text.shape[:2], -1).masked_fill((text == 0).all(2, keepdim=True), torch.nan)


def class_embeddings(learner: Learner, prompts: Tensor) -> Tensor:
    """Class embeddings for zero-shot classification: the mean of normalised description embeddings, as in CLIP.

    Args:
        learner: The model.
        prompts: Tokens of T descriptions of each class, ``(K, T, L)``.

    Returns:
        ``(K, E)``.
    """
    embeddings = [learner.embed_text(texts).float() for texts in prompts]
    return torch.stack([F.normalize(texts, dim=1).mean(0) for texts in embeddings])


def _common_spec(learners: Sequence[Learner]) -> InputSpec:
    """What the learners read: all embed the same pixels and captions.

    Raises:
        InputError: If they normalise images differently, or read captions of different lengths.
    """
    lengths = [learner.context_length for learner in learners if learner.context_length is not None]
    pixels = _common_setting([learner.pixels for learner in learners], "normalisation of images")
    return InputSpec(pixels=pixels, context_length=_common_setting(lengths, "length of captions in tokens"))


def _common_setting(settings: Sequence[Any], setting: str) -> Any:
    first = settings[0] if settings else None
    other = next((value for value in settings if value != first), first)
    require(other == first, f"Expected models with one {setting}, got {first} and {other}. Audit them separately.")
    return first


def extract_embeddings(
    trainer: Trainer,
    learners: Mapping[str, Learner],
    data: UnlearningData,
    views: int = 10,
    splits: Sequence[Split] = tuple(AUDITED),
    probe_views: int = 0,
) -> dict[str, dict[Split, Embeddings]]:
    """Embed the retain, forget and test images of a run with one model or several.

    All models embed the same pixels: the augmented views of an image are drawn once, with a seed that follows from the
    trainer's seed (the command ``audit`` gives 0) and the image's batch, of ``data.eval_batch_size`` rows. Processes
    embed whole batches each, so their number does not change the result. A loss that compares images compares those of
    a batch.

    Args:
        trainer: Runs the models, in one process or several.
        learners: The models by name.
        data: The data, with a forget set.
        views: Augmented views per image, at least 2.
        splits: The splits to embed, among :data:`AUDITED`.
        probe_views: Views of each retain image for MUC's linear probe, see
            :func:`unlearning_pl.audits.muc_probe.muc_probe`; 0 for a logistic regression on clean images.

    Returns:
        Embeddings by model and split, in the order of the split's positions, on rank 0; empty on other ranks.

    Raises:
        InputError: If there are fewer than two views, no forget set or no test images.
    """
    require_views(views)
    for name in splits:
        require(
            len(data.positions(AUDITED[name])) > 0,
            f"Expected {name} images to audit, got none. Give a forget request.",
        )
    require(
        not probe_views or not all(learner.knows_classes for learner in learners.values()),
        "Expected an encoder for MUC's linear probe, got models with class scores, which need none. Leave out --probe.",
    )
    data.load()
    seed = effective_seed(trainer)
    count = sum(len(data.positions(AUDITED[name])) for name in splits)
    _log.info(f"Embedding {count} images, each clean and in augmented views ({views}), with {', '.join(learners)}")
    with ExitStack() as stack:
        for learner in learners.values():
            stack.enter_context(fused_batch_norm(learner))
        embedder = Embedder(list(learners.values()), data, [AUDITED[name] for name in splits], views, seed, probe_views)
        batches: Any = trainer.predict(embedder)
    own = [[] for _ in splits] if batches is None else batches if len(splits) > 1 else [batches]
    gathered = gather_batches(own)
    return {
        name: {
            split: concat_batches([fields[row] for fields in own], bool(data.class_names))
            for split, own in zip(splits, gathered, strict=False)
        }
        for row, name in enumerate(learners)
        if gathered
    }
