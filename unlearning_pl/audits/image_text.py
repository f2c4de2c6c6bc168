"""What an image-text model still knows of pairs that it was to forget: retrieval, membership, zero-shot accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, Embeddings, filled
from unlearning_pl.audits.membership import Interval, membership, membership_intervals
from unlearning_pl.functional.retrieval import image_to_text_ranks, recall_at, text_to_image_ranks
from unlearning_pl.types import Split

FIRST = (1, 5, 10)
"""How many of the best are looked at."""


def pair_scores(splits: BySplit) -> dict[Split, Tensor]:
    """Mean cosine similarity of an image and its captions: high for a pair that the model was trained on.

    Returns:
        ``(N,)`` by split; empty for a model that reads no text.

    Example:
        >>> pair_scores({})
        {}
    """
    scores = {}
    for split, look in filled(splits).items():
        if look.captions is not None:
            found = F.cosine_similarity(look.features[:, None], look.captions, dim=2)
            scores[split] = found.nanmean(dim=1)
    return scores


def pair_membership(splits: BySplit) -> tuple[dict[str, float], dict[str, Interval]]:
    """The threshold attack on :func:`pair_scores`, and the 95 % intervals.

    Returns:
        ``pair_mi``, ``pair_membership_auc``, ``pair_membership_auc_retain``, ``pair_tpr_at_1_fpr`` and
        ``pair_tpr_at_0.1_fpr``, as :func:`unlearning_pl.audits.membership.membership` defines them of views.

    Example:
        >>> pair_membership({})
        ({}, {})
    """
    scores = pair_scores(splits)
    found = {key: value for key, value in membership(scores).items() if key != "encoder_mi_bagged"}
    intervals = membership_intervals(scores)
    return {_of_pairs(key): value for key, value in found.items()}, {_of_pairs(k): v for k, v in intervals.items()}


def retrieval(splits: BySplit) -> dict[str, float]:
    """How often an image finds a caption of its own, and a caption its image, among those of the test images.

    The others are the test set's in every split, so that the splits can be compared, and a request of one image has a
    figure too; of the test images it is the usual recall. An image finds its best caption; each caption is a query.

    Returns:
        ``<split>_image_to_text_<k>`` and ``<split>_text_to_image_<k>`` for the first k of 1, 5 and 10, and
        ``<split>_recall``, their mean, in percent. Nothing without test images, or where more than half of these
        share their captions, as those made of class names do.

    Example:
        >>> retrieval({})
        {}
    """
    splits = filled(splits)
    test = splits.get("test")
    if test is None or test.text is None or 2 * len(torch.unique(test.text, dim=0)) <= len(test.text):
        return {}
    metrics: dict[str, float] = {}
    for split, look in splits.items():
        if look.captions is not None:
            found = _recalls(look, test)
            metrics |= {f"{split}_{key}": value for key, value in found.items()}
            metrics[f"{split}_recall"] = sum(found.values()) / len(found)
    return metrics


def zero_shot(splits: BySplit) -> dict[str, float]:
    """How often the class whose description is most similar is an image's own, in percent.

    Returns:
        ``retain_zero_shot``, ``forget_zero_shot``, ``test_zero_shot``; nothing where classes have no names.

    Example:
        >>> zero_shot({})
        {}
    """
    return {
        f"{split}_zero_shot": 100 * (look.zero_shot.argmax(1) == look.target).double().mean().item()
        for split, look in filled(splits).items()
        if look.zero_shot is not None
    }


def _of_pairs(key: str) -> str:
    return "pair_mi" if key == "encoder_mi" else f"pair_{key}"


def _recalls(look: Embeddings, test: Embeddings) -> dict[str, float]:
    """Recalls of a split's images and captions among the test set's."""
    owner, captions = _flat(look)
    other, others = _flat(test)
    images = look.features[torch.arange(len(look.index)).repeat_interleave(_count(look))]
    assert look.captions is not None
    ranks = {
        "image_to_text": image_to_text_ranks(look.features, look.captions, look.index, others, other),
        "text_to_image": text_to_image_ranks(captions, images, owner, test.features, test.index),
    }
    return {f"{way}_{k}": recall_at(found, k).item() for way, found in ranks.items() for k in FIRST}


def _flat(look: Embeddings) -> tuple[Tensor, Tensor]:
    """Whose each caption is, ``(M,)``, and all captions, ``(M, E)``."""
    assert look.captions is not None
    return look.index.repeat_interleave(_count(look)), look.captions[_there(look)]


def _count(look: Embeddings) -> Tensor:
    return _there(look).sum(1)


def _there(look: Embeddings) -> Tensor:
    """Which captions exist, ``(N, K)``."""
    assert look.captions is not None
    return look.captions.isfinite().all(2)
