"""Extracts embeddings through Lightning: device, precision and batches are the trainer's.

Letters: B rows of a batch, V augmented views, D width of the features, E of the embeddings, K classes.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import chain, zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, distributed, nn
from typing_extensions import override

from unlearning_pl.audits.embeddings import Embeddings
from unlearning_pl.audits.fuse_batch_norm import fused_batch_norm
from unlearning_pl.data import UnlearningData
from unlearning_pl.distributed.collectives import single_process
from unlearning_pl.errors import require
from unlearning_pl.functional.contrastive_losses import similarities
from unlearning_pl.functional.threshold_attack import pair_similarities
from unlearning_pl.learners import Learner
from unlearning_pl.types import Pixels, Sample, Split

AUDITED: dict[Split, Split] = {"retain": "retain", "forget": "forgotten", "test": "test"}
"""The data split that each split of an audit reads: an audit's forget set is all images that any step forgot."""
BatchEmbeddings = dict[str, Tensor | None]


class Embedder(LightningModule):
    """Lightning module that embeds clean and augmented images with several learners in evaluation mode.

    Args:
        learners: The models to embed the images with.

    Attributes:
        prompts: Tokens of T descriptions of each class, ``(K, T, L)``, if classes have names and models read text.
    """

    prompts: Tensor | None = None

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        self.learners, self._models = nn.ModuleList(learners), tuple(learners)
        lengths = [learner.context_length for learner in learners if learner.context_length is not None]
        self.context_length: int | None = _common_setting(lengths, "length of captions in tokens")
        self.pixels: Pixels | None = _common_setting(
            [learner.pixels for learner in learners], "normalisation of images"
        )
        self._classes = list[Tensor | None]([None] * len(learners))
        # With a split of one batch the other processes have none.
        self.allow_zero_length_dataloader_with_multiple_devices = True

    @override
    def predict_step(self, batch: Sample, batch_idx: int, dataloader_idx: int = 0) -> list[BatchEmbeddings]:
        with single_process():  # a loss compares the rows of this batch only, not those of other processes
            return [embed_batch(one, batch, known) for one, known in zip(self._models, self._classes, strict=True)]

    @override
    def on_predict_start(self) -> None:
        if self.prompts is not None:
            prompts = self.prompts.to(self.device)
            self._classes = [
                None if learner.context_length is None else class_embeddings(learner, prompts)
                for learner in self._models
            ]


def embed_batch(learner: Learner, batch: Sample, classes: Tensor | None = None) -> BatchEmbeddings:
    """Compute the fields of :class:`~unlearning_pl.audits.embeddings.Embeddings` for one batch, on the CPU.

    Args:
        learner: The model.
        batch: Its views are the clean image, then two augmented views or more, each ``(B, 3, H, W)``.
        classes: The model's class embeddings, ``(K, E)``, see :func:`class_embeddings`.
    """
    clean, *views = batch.views
    features = learner.features(clean)
    augmented = torch.stack([learner.features(view) for view in views], dim=1)
    logits = learner.classify(features)
    fields = {
        "index": batch.index,
        "target": batch.target,
        "features": features.float(),
        "similarities": pair_similarities(augmented),
        "anchor": learner.project(augmented[:, 0]).float(),
        "positive": learner.project(augmented[:, 1]).float(),
        "logits": None if logits is None else logits.float(),
        "losses": per_sample_losses(learner, batch).float(),
    }
    if batch.text is not None and learner.context_length is not None:
        anchor = learner.project(features).float()
        captions = _captions(learner, batch.text)
        fields |= {"anchor": anchor, "positive": captions[:, 0], "captions": captions, "text": batch.text[:, 0]}
        fields["zero_shot"] = None if classes is None else similarities(anchor, classes)
    return {name: None if value is None else value.cpu() for name, value in fields.items()}


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


def _common_setting(settings: Sequence[Any], setting: str) -> Any:
    """Setting that all learners share, since they embed the same pixels; None if there is none.

    Raises:
        InputError: If the learners have different settings.
    """
    first = settings[0] if settings else None
    other = next((value for value in settings if value != first), first)
    require(other == first, f"Expected models with one {setting}, got {first} and {other}. Audit them separately.")
    return first


def per_sample_losses(learner: Learner, batch: Sample) -> Tensor:
    """Training loss of each image, ``(B,)``: of the clean image if the learner needs one view, else of augmented views.

    Args:
        learner: The model.
        batch: Its views are the clean image, then at least as many augmented views as the learner needs.
    """
    needed = slice(0, 1) if learner.num_views == 1 else slice(1, 1 + learner.num_views)
    own = batch._replace(views=batch.views[needed], text=None if batch.text is None else batch.text[:, 0])
    return learner.losses(learner.outputs(own), own)


def extract_embeddings(
    trainer: Trainer,
    learners: Mapping[str, Learner],
    data: UnlearningData,
    views: int = 10,
    splits: Sequence[Split] = tuple(AUDITED),
) -> dict[str, dict[Split, Embeddings]]:
    """Embed the retain, forget and test images of a run with one model or several.

    All models embed the same pixels: the augmented views of an image are drawn once, with a seed that follows from the
    process's seed (the command ``audit`` sets 0) and the image's batch. Processes embed whole batches each, so their
    number does not change the result.

    Args:
        trainer: Runs the models, in one process or several.
        learners: The models by name.
        data: The data, with a forget set.
        views: Augmented views per image, at least 2.
        splits: The splits to embed, among :data:`AUDITED`.

    Returns:
        Embeddings by model and split, in the order of the split's positions, on rank 0; empty on other ranks.

    Raises:
        InputError: If there are fewer than two views, no forget set or no test images.
    """
    require(views >= 2, f"Expected audit views >= 2, got {views}. The papers use 10.")
    for name in splits:
        require(
            len(data.positions(AUDITED[name])) > 0,
            f"Expected {name} images to audit, got none. Give a forget request.",
        )
    data.set_predict_splits(tuple(AUDITED[name] for name in splits), views)
    with ExitStack() as stack:
        stack.callback(data.set_predict_splits, None, 0)
        for learner in learners.values():
            stack.enter_context(fused_batch_norm(learner))
        embedder = Embedder(list(learners.values()))
        embedder.prompts = data.prompts(embedder.context_length)
        batches: Any = trainer.predict(embedder, datamodule=data)
    own = [[] for _ in splits] if batches is None else batches if len(splits) > 1 else [batches]
    gathered = _gather_batches(own)
    return {
        name: {
            split: _concat_batches([fields[row] for fields in own], bool(data.class_names))
            for split, own in zip(splits, gathered, strict=False)
        }
        for row, name in enumerate(learners)
        if gathered
    }


def _gather_batches(own: list[list[list[BatchEmbeddings]]]) -> list[list[list[BatchEmbeddings]]]:
    """Gather the batches of every split in order on rank 0: process r of W has batches r, r + W, ..."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return own
    first = distributed.get_rank() == 0
    received: list[Any] | None = [None] * distributed.get_world_size() if first else None
    distributed.gather_object(own, received)
    rounds = [zip_longest(*split) for split in zip(*(received or []), strict=True)]
    return [[batch for batch in chain.from_iterable(split) if batch is not None] for split in rounds]


def _concat_batches(batches: list[BatchEmbeddings], labelled: bool) -> Embeddings:
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    joined: dict[str, Any] = {
        name: None if value[0] is None else torch.cat([part for part in value if part is not None])
        for name, value in columns.items()
    }
    if not labelled:
        joined["target"] = torch.full_like(joined["target"], -1)
    return Embeddings(**joined)
