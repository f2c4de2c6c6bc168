"""Membership inference from embeddings: EncoderMI's attacks on the similarities of an image's views."""

from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, drop_empty
from unlearning_pl.functional.counted_resamples import resampled_roc
from unlearning_pl.functional.learned_attacks import Kind, cross_fitted_scores
from unlearning_pl.functional.roc import membership_auc, percentile_interval, tpr_at_fpr
from unlearning_pl.functional.threshold_attack import (
    binned_threshold,
    encoder_mi,
    encoder_mi_bagged,
    encoder_score,
    equal_sizes_by_rank,
)
from unlearning_pl.types import Split

Scores = Mapping[Split, Tensor]
Interval = tuple[float, float]
T = TypeVar("T")
RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_0.1_fpr": 0.001}
"""False positive rates of the reported true positive rates."""
_MIN_IMAGES = 10  # of a set, for an interval: with 2 images, 38 of 100 intervals would miss a true 0.5
_KINDS: tuple[Kind, ...] = ("vector", "set")


def membership_scores(splits: BySplit) -> dict[Split, Tensor]:
    """Membership score of each image: mean cosine similarity of the encoder outputs over all pairs of augmented views.

    Returns:
        ``(N,)`` in [-1, 1] by split, see :func:`unlearning_pl.functional.threshold_attack.encoder_score`; high for a
        member, an image that the model was trained on.

    Example:
        >>> membership_scores({})
        {}
    """
    return {split: encoder_score(embeddings.similarities) for split, embeddings in drop_empty(splits).items()}


def threshold(scores: Scores) -> float | None:
    """Threshold of the attack: an image with this score or a higher one is classified as a member.

    Fitted on retain (members) against test (non-members), with the larger set cut to the size of the smaller by rank, a
    random choice with seed 0. None without retain or test images.

    Example:
        >>> from torch import tensor
        >>> round(threshold({"retain": tensor([0.9, 0.8]), "test": tensor([0.2, 0.1])}), 3)
        0.202
    """
    if "retain" not in scores or "test" not in scores:
        return None
    return binned_threshold(*equal_sizes_by_rank(scores["retain"], scores["test"])).item()


def roc_metrics(members: Tensor, non_members: Tensor) -> dict[str, float]:
    """ROC AUC and true positive rates of a membership score.

    Args:
        members: Scores ``(M,)`` of the members.
        non_members: Scores ``(L,)`` of the non-members.

    Returns:
        ``auc``, in [0, 1], 0.5 if the scores are indistinguishable; ``tpr_at_1_fpr`` and ``tpr_at_0.1_fpr``, in
        percent, which need at least 100 (1000) non-members.

    Example:
        >>> from torch import tensor
        >>> roc_metrics(tensor([0.9, 0.8]), tensor([0.2, 0.1]))
        {'auc': 1.0}
    """
    rates = {key: rate for key, rate in RATES.items() if rate * len(non_members) >= 1}
    results = {key: 100 * tpr_at_fpr(members, non_members, rate).item() for key, rate in rates.items()}
    return {"auc": membership_auc(members, non_members).item(), **results}


def roc_intervals(members: Tensor, non_members: Tensor, rates: Mapping[str, float] = RATES) -> dict[str, Interval]:
    """95 % bootstrap intervals of the metrics of :func:`roc_metrics`, all from the same resamples.

    Resamples of few images are almost the same images: with fewer than ten in a set the interval would be far too
    narrow, so none is returned; nor is one if all resamples agree. ``rates`` are the false positive rates by key.

    Example:
        >>> from torch import arange, tensor
        >>> roc_intervals(arange(12.0), arange(12.0) + 1)["auc"]
        (0.2013888955116272, 0.6631944179534912)
        >>> roc_intervals(tensor([0.9, 0.8]), tensor([0.2, 0.1]))
        {}
    """
    if min(len(members), len(non_members)) < _MIN_IMAGES:
        return {}
    known = {key: rate for key, rate in rates.items() if rate * len(non_members) >= 1}
    aucs, tprs = resampled_roc(members, non_members, [*known.values()])
    results = {"auc": percentile_interval(aucs)}
    for key, resampled in zip(known, tprs, strict=True):
        low, high = percentile_interval(resampled)
        results[key] = (100 * low, 100 * high)
    return {key: (low, high) for key, (low, high) in results.items() if low < high}


def membership(scores: Scores) -> dict[str, float]:
    """Threshold attack on the scores of :func:`membership_scores`.

    Returns:
        Each metric, if its splits have images:

        ``encoder_mi``: percent of forget images classified as non-members (EMIA of MUC, arXiv 2406.03603), by
        :func:`threshold`; higher means more forgotten, up to the retrained model's value. ``encoder_mi_bagged``: the
        same with less variance, see :func:`unlearning_pl.functional.threshold_attack.encoder_mi_bagged`.

        ``membership_auc``: ROC AUC of forget against test, in [0, 1]; 0.5 if they are indistinguishable.

        ``membership_auc_retain``: ROC AUC of retain against test, cut to equal sizes.

        ``tpr_at_1_fpr``, ``tpr_at_0.1_fpr``: percent of forget images detected as members at a false positive rate of
        at most 1 % (0.1 %) on test images; not defined with fewer than 100 (1000) test images.

    Example:
        >>> from torch import tensor
        >>> scores = {"forget": tensor([0.7]), "test": tensor([0.2, 0.1])}
        >>> membership(scores)
        {'membership_auc': 1.0}
    """
    metrics: dict[str, float] = {}
    forget, retain, test = (scores.get(split) for split in ("forget", "retain", "test"))
    if forget is not None and retain is not None and test is not None:
        metrics["encoder_mi"] = encoder_mi(forget, *equal_sizes_by_rank(retain, test)).item()
        metrics["encoder_mi_bagged"] = encoder_mi_bagged(forget, retain, test).item()
    if forget is not None and test is not None:
        metrics |= _rename_auc(roc_metrics(forget, test))
    if retain is not None and test is not None:
        metrics["membership_auc_retain"] = membership_auc(*equal_sizes_by_rank(retain, test)).item()
    return metrics


def membership_intervals(scores: Scores) -> dict[str, Interval]:
    """95 % bootstrap intervals of ``membership_auc`` and the true positive rates, by the same keys.

    Example:
        >>> membership_intervals({})
        {}
    """
    if "forget" not in scores or "test" not in scores:
        return {}
    return _rename_auc(roc_intervals(scores["forget"], scores["test"]))


def learned_scores(splits: BySplit) -> dict[str, tuple[Tensor, Tensor]]:
    """Scores of EncoderMI's learned attacks on the similarities of views, fitted on retain against test.

    Returns:
        Scores of forget images ``(M,)`` and test images ``(L,)`` by attack, ``vector`` and ``set``; above 0 for a
        member. Empty without forget images, or with fewer than two retain or test images.

    Example:
        >>> learned_scores({})
        {}
    """
    splits = drop_empty(splits)
    if "forget" not in splits or any(len(splits[s].index) < 2 if s in splits else True for s in ("retain", "test")):
        return {}
    retain, test, forget = (splits[split].similarities for split in ("retain", "test", "forget"))
    scores: dict[str, tuple[Tensor, Tensor]] = {}
    for kind in _KINDS:
        _, test_scores, forget_scores = cross_fitted_scores(kind, retain, test, forget)
        scores[kind] = forget_scores, test_scores
    return scores


def learned_attacks(scores: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[dict[str, float], dict[str, Interval]]:
    """EncoderMI's learned attacks (vector and set) on the similarities of views.

    Args:
        scores: As :func:`learned_scores` returns them.

    Returns:
        ``encoder_mi_vector``, ``encoder_mi_set``: percent of forget images classified as non-members;
        ``membership_auc_vector``, ``membership_auc_set``: ROC AUC of forget against test, in [0, 1]. And the 95 %
        intervals of the AUCs. Both are empty without scores.

    Example:
        >>> learned_attacks({})
        ({}, {})
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for kind, (forget_scores, test_scores) in scores.items():
        metrics[f"encoder_mi_{kind}"] = 100 * (forget_scores < 0).double().mean().item()
        metrics[f"membership_auc_{kind}"] = membership_auc(forget_scores, test_scores).item()
        results = roc_intervals(forget_scores, test_scores, rates={})
        intervals |= {f"membership_auc_{kind}": results["auc"]} if "auc" in results else {}
    return metrics, intervals


def _rename_auc(results: dict[str, T]) -> dict[str, T]:
    return {"membership_auc" if key == "auc" else key: value for key, value in results.items()}
