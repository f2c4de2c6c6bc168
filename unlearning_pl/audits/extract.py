"""Collects what models say of images, through Lightning: device, precision and batches are the trainer's.

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
"""What is looked at under each name: to an audit, forget is what any step forgot."""
Looks = dict[str, Tensor | None]


class Embedder(LightningModule):
    """Looks at clean and augmented images with several learners in evaluation mode.

    Args:
        learners: The models to look at the images with.

    Attributes:
        prompts: Tokens of T descriptions of each class, ``(K, T, L)``, where classes have names and models read text.
    """

    prompts: Tensor | None = None

    def __init__(self, learners: Sequence[Learner]) -> None:
        super().__init__()
        self.learners, self._given = nn.ModuleList(learners), tuple(learners)
        lengths = [learner.context_length for learner in learners if learner.context_length is not None]
        self.context_length: int | None = _shared(lengths, "length of captions in tokens")
        self.pixels: Pixels | None = _shared([learner.pixels for learner in learners], "normalisation of images")
        self._classes = list[Tensor | None]([None] * len(learners))
        # A split of one batch leaves the other processes without any.
        self.allow_zero_length_dataloader_with_multiple_devices = True

    @override
    def predict_step(self, batch: Sample, batch_idx: int, dataloader_idx: int = 0) -> list[Looks]:
        with single_process():  # a loss compares the rows of this batch, wherever other batches are
            return [embed_batch(one, batch, known) for one, known in zip(self._given, self._classes, strict=True)]

    @override
    def on_predict_start(self) -> None:
        if self.prompts is not None:
            prompts = self.prompts.to(self.device)
            self._classes = [
                None if learner.context_length is None else class_embeddings(learner, prompts)
                for learner in self._given
            ]


def embed_batch(learner: Learner, batch: Sample, classes: Tensor | None = None) -> Looks:
    """Fields of :class:`~unlearning_pl.audits.embeddings.Embeddings` of one batch, on the CPU.

    Args:
        learner: The model.
        batch: Views: the clean image, then two augmented views or more, each ``(B, 3, H, W)``.
        classes: What it says of the descriptions of the classes, ``(K, E)``, see :func:`class_embeddings`.
    """
    clean, *views = batch.views
    features = learner.features(clean)
    augmented = torch.stack([learner.features(view) for view in views], dim=1)
    logits = learner.classify(features)
    looks = {
        "index": batch.index,
        "target": batch.target,
        "features": features.float(),
        "similarities": pair_similarities(augmented),
        "anchor": learner.project(augmented[:, 0]).float(),
        "positive": learner.project(augmented[:, 1]).float(),
        "logits": None if logits is None else logits.float(),
        "losses": own_losses(learner, batch).float(),
    }
    if batch.text is not None and learner.context_length is not None:
        anchor = learner.project(features).float()
        captions = _captions(learner, batch.text)
        looks |= {"anchor": anchor, "positive": captions[:, 0], "captions": captions, "text": batch.text[:, 0]}
        looks["zero_shot"] = None if classes is None else similarities(anchor, classes)
    return {name: None if look is None else look.cpu() for name, look in looks.items()}


def _captions(learner: Learner, text: Tensor) -> Tensor:
    """Embeddings of all captions ``(B, C, L)``, ``(B, C, E)``; NaN for those that there are not."""
    embedded = learner.embed_text(text.flatten(0, 1)).float()
    return embedded.view(*text.shape[:2], -1).masked_fill((text == 0).all(2, keepdim=True), torch.nan)


def class_embeddings(learner: Learner, prompts: Tensor) -> Tensor:
    """The direction of each class: the mean of its descriptions' embeddings, each of unit length, as CLIP's authors do.

    Args:
        learner: The model.
        prompts: Tokens of T descriptions of each class, ``(K, T, L)``.

    Returns:
        ``(K, E)``.
    """
    said = [learner.embed_text(texts).float() for texts in prompts]
    return torch.stack([F.normalize(texts, dim=1).mean(0) for texts in said])


def _shared(wanted: Sequence[Any], what: str) -> Any:
    """What all learners want, as they are shown the same pictures; None where nothing is wanted.

    Raises:
        InputError: If they want different things.
    """
    first = wanted[0] if wanted else None
    other = next((value for value in wanted if value != first), first)
    require(other == first, f"Expected models with one {what}, got {first} and {other}. Audit them apart.")
    return first


def own_losses(learner: Learner, batch: Sample) -> Tensor:
    """Training loss of each image, ``(B,)``: of the clean image where a learner needs one view, else of augmented ones.

    Args:
        learner: The model.
        batch: Views: the clean image, then at least as many augmented ones as the learner needs.
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

    Every model sees the same pictures: the augmented views of an image are made once, and follow from the seed of the
    process (the command ``audit`` sets 0) and the image's batch. Over several processes each takes whole batches, so
    that their number changes nothing.

    Args:
        trainer: Runs the models, in one process or several.
        learners: The models by name.
        data: The data, with a forget set.
        views: Augmented views per image, at least 2.
        splits: What to look at, among :data:`AUDITED`.

    Returns:
        What each model says of each split, in the order of its positions, on the process of rank 0; on the others
        nothing.

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
    gathered = _gathered(own)
    return {
        name: {
            split: _joined([looks[row] for looks in own], bool(data.class_names))
            for split, own in zip(splits, gathered, strict=False)
        }
        for row, name in enumerate(learners)
        if gathered
    }


def _gathered(own: list[list[list[Looks]]]) -> list[list[list[Looks]]]:
    """The batches of every split in their order, on rank 0: process r was dealt batches r, r + W, ..."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return own
    first = distributed.get_rank() == 0
    dealt: list[Any] | None = [None] * distributed.get_world_size() if first else None
    distributed.gather_object(own, dealt)
    rounds = [zip_longest(*split) for split in zip(*(dealt or []), strict=True)]
    return [[batch for batch in chain.from_iterable(split) if batch is not None] for split in rounds]


def _joined(batches: list[Looks], labelled: bool) -> Embeddings:
    columns = {name: [batch[name] for batch in batches] for name in batches[0]}
    joined: dict[str, Any] = {
        name: None if look[0] is None else torch.cat([part for part in look if part is not None])
        for name, look in columns.items()
    }
    if not labelled:
        joined["target"] = torch.full_like(joined["target"], -1)
    return Embeddings(**joined)
