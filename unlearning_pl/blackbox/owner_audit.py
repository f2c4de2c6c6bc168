"""An owner's audit, from the owner's images and the vectors of black-box models only.

Letters: N images, B rows of a batch, V views of each, D dimensions of a vector.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from unlearning_pl.audits import Audit, Embeddings, compare, compute_audit
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, require_views
from unlearning_pl.blackbox.encoder import Encoder
from unlearning_pl.blackbox.image_folder import OwnerImages, augmented_views
from unlearning_pl.data import Views
from unlearning_pl.functional.threshold_attack import pair_similarities
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.types import Split


def embed_images(encoder: Encoder, pictures: OwnerImages, split: Split, policy: Views, views: int) -> Embeddings:
    """Embed an owner's images for an audit.

    A black box has one kind of vector, which serves both as the features of the clean image and as the projection of a
    view. Classes and losses are unknown to an owner.

    Args:
        encoder: The model.
        pictures: The images.
        split: ``forget``, or ``test`` for images that no model was trained on.
        policy: Augmentation of a view.
        views: V, at least 2.
    """
    columns = [
        torch.cat(column) for column in zip(*_embed_batches(encoder, pictures, split, policy, views), strict=True)
    ]
    features, similarities, anchor, positive = columns
    rows = torch.arange(len(pictures))
    return Embeddings(
        index=rows,
        target=torch.zeros_like(rows),
        features=features,
        similarities=similarities,
        anchor=anchor,
        positive=positive,
    )


def audit_images(
    encoders: Mapping[str, Encoder], pictures: Mapping[Split, OwnerImages], policy: Views, views: int = 10
) -> list[Audit]:
    """Audit models by their vectors of an owner's images only, and compare them.

    Membership inference needs images of both splits; alignment needs those to forget. Accuracies are absent, because
    they need classes and retained images, which an owner does not have.

    Args:
        encoders: The models by name; "original" and "retrained" are the references.
        pictures: The images to ``forget``, and optionally under ``test`` images that no model was trained on.
        policy: Augmentation of a view.
        views: Augmented views of each image, at least 2.

    Raises:
        InputError: If there are fewer than two views, or a model fails.
    """
    require_views(views)
    audits = [
        compute_audit(
            name, {split: embed_images(encoder, images, split, policy, views) for split, images in pictures.items()}
        )
        for name, encoder in encoders.items()
    ]
    return compare(
        audits,
        ORIGINAL if ORIGINAL in encoders else None,
        RETRAINED if RETRAINED in encoders else None,
    )


def _embed_batches(
    encoder: Encoder, pictures: OwnerImages, split: Split, policy: Views, views: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    progress = Progress(f"Embedding {split} images with {encoder.name}", len(pictures))
    for number, images in enumerate(pictures.batches(encoder.image_size)):
        batch = torch.cat([images[None], augmented_views(images, policy, views, split, number)])
        clean, *augmented = encoder(batch.flatten(0, 1)).chunk(len(batch))
        progress.advance(len(images), rounds=len(images))
        yield clean, pair_similarities(torch.stack(augmented, dim=1)), augmented[0], augmented[1]
