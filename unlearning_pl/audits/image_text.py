"""Metrics of image-text models: retrieval, membership inference on pairs, zero-shot accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, Embeddings, drop_empty
from unlearning_pl.audits.membership import Interval, membership, membership_intervals
from unlearning_pl.functional.retrieval import image_to_text_ranks, recall_at_k, text_to_image_ranks
from unlearning_pl.types import Split

RECALL_KS = (1, 5, 10)
"""The k of recall at k."""


def pair_scores(splits: BySplit) -> dict[Split, Tensor]:
    """Membership score of a pair: mean cosine similarity of the image's embedding and those of its captions.

    Returns:
        ``(N,)`` in [-1, 1] by split, high for a pair that the model was trained on; empty for a model that reads no
        text.

    Example:
        >>> pair_scores({})
        {}
    """
    scores = {}
    for split, embeddings in drop_empty(splits).items():
        if embeddings.captions is not None:
            cosines = F.cosine_similarity(embeddings.features[:, None], embeddings.captions, dim=2)
            scores[split] = cosines.nanmean(dim=1)
    return scores


def pair_membership(splits: BySplit) -> tuple[dict[str, float], dict[str, Interval]]:
    """Threshold attack on :func:`pair_scores`, with 95 % intervals.

    Returns:
        ``pair_mi``, ``pair_membership_auc``, ``pair_membership_auc_retain``, ``pair_tpr_at_1_fpr`` and
        ``pair_tpr_at_0.1_fpr``, defined and scaled as in :func:`unlearning_pl.audits.membership.membership`; and the
        95 % intervals of ``pair_membership_auc`` and the true positive rates.

    Example:
        >>> pair_membership({})
        ({}, {})
    """
    scores = pair_scores(splits)
    metrics = {_pair_key(key): v for key, v in membership(scores).items() if key != "encoder_mi_bagged"}
    return metrics, {_pair_key(key): interval for key, interval in membership_intervals(scores).items()}


def retrieval(splits: BySplit) -> dict[str, float]:
    """Recall at k of image-to-text and text-to-image retrieval among the test images and captions.

    The candidates of every split are the test set's and the query's own, so that splits can be compared and a request
    of one image has a value; for the test images it is the usual recall. An image is a query for the best of its
    captions; each caption is a query for its image.

    Returns:
        ``<split>_image_to_text_<k>`` and ``<split>_text_to_image_<k>`` for the first k of 1, 5 and 10, and
        ``<split>_recall``, their mean, in percent. Empty without test images, or if more than half of these share
        their first captions, as captions made of class names do.

    Example:
        >>> retrieval({})
        {}
    """
    splits = drop_empty(splits)
    test = splits.get("test")
    if test is None or not _has_distinct_captions(test):
        return {}
    metrics: dict[str, float] = {}
    for split, embeddings in splits.items():
        if embeddings.captions is not None:
            recalls = _recalls(embeddings, test)
            metrics |= {f"{split}_{key}": value for key, value in recalls.items()}
            metrics[f"{split}_recall"] = sum(recalls.values()) / len(recalls)
    return metrics


def test_recalls(splits: BySplit) -> Tensor | None:
    """Recall of each test image as a query for its captions, the mean over k of 1, 5 and 10: ``(N,)`` in [0, 1].

    None where :func:`retrieval` is not defined.

    Example:
        >>> test_recalls({}) is None
        True
    """
    test = drop_empty(splits).get("test")
    if test is None or not _has_distinct_captions(test):
        return None
    owner, captions = _flatten_captions(test)
    assert test.captions is not None
    ranks = image_to_text_ranks(test.features, test.captions, test.index, captions, owner)
    return torch.stack([(ranks < k).double() for k in RECALL_KS]).mean(0)


def zero_shot(splits: BySplit) -> dict[str, float]:
    """Zero-shot accuracy: how often the most similar class description is that of the image's class, in percent.

    Returns:
        ``retain_zero_shot``, ``forget_zero_shot``, ``test_zero_shot``; empty if classes have no names.

    Example:
        >>> zero_shot({})
        {}
    """
    return {
        f"{split}_zero_shot": 100 * (embeddings.zero_shot.argmax(1) == embeddings.target).double().mean().item()
        for split, embeddings in drop_empty(splits).items()
        if embeddings.zero_shot is not None
    }


def _has_distinct_captions(test: Embeddings) -> bool:
    return test.text is not None and 2 * len(torch.unique(test.text, dim=0)) > len(test.text)


def _pair_key(key: str) -> str:
    return "pair_mi" if key == "encoder_mi" else f"pair_{key}"


def _recalls(embeddings: Embeddings, test: Embeddings) -> dict[str, float]:
    """Recalls of the images and captions of a split among those of the test set."""
    owner, captions = _flatten_captions(embeddings)
    other, others = _flatten_captions(test)
    images = embeddings.features[torch.arange(len(embeddings.index)).repeat_interleave(_caption_counts(embeddings))]
    assert embeddings.captions is not None
    ranks = {
        "image_to_text": image_to_text_ranks(embeddings.features, embeddings.captions, embeddings.index, others, other),
        "text_to_image": text_to_image_ranks(captions, images, owner, test.features, test.index),
    }
    return {f"{way}_{k}": recall_at_k(rank, k).item() for way, rank in ranks.items() for k in RECALL_KS}


def _flatten_captions(embeddings: Embeddings) -> tuple[Tensor, Tensor]:
    """Position of the image of each caption, ``(M,)``, and the embeddings of all captions, ``(M, E)``."""
    assert embeddings.captions is not None
    mask = _caption_mask(embeddings)
    return embeddings.index.repeat_interleave(mask.sum(1)), embeddings.captions[mask]


def _caption_counts(embeddings: Embeddings) -> Tensor:
    return _caption_mask(embeddings).sum(1)


def _caption_mask(embeddings: Embeddings) -> Tensor:
    """Mask of the existing captions, ``(N, K)``."""
    assert embeddings.captions is not None
    return embeddings.captions.isfinite().all(2)
