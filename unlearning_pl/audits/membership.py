"""Can an attacker who sees only embeddings tell which images the model was trained on?"""

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, filled
from unlearning_pl.functional.learned_attacks import Kind, cross_fitted_scores
from unlearning_pl.functional.roc import bootstrap_interval, membership_auc, tpr_at_fpr
from unlearning_pl.functional.threshold_attack import (
    binned_threshold,
    by_rank,
    encoder_mi,
    encoder_mi_bagged,
    encoder_score,
)
from unlearning_pl.types import Split

Scores = Mapping[Split, Tensor]
Interval = tuple[float, float]
T = TypeVar("T")
_RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_0.1_fpr": 0.001}
_FEWEST = 10  # images of a set, for an interval: of 2 images, 38 of 100 intervals would miss a true 0.5
_KINDS: tuple[Kind, ...] = ("vector", "set")


def membership_scores(splits: BySplit) -> dict[Split, Tensor]:
    """Membership score of every image: mean cosine similarity over all pairs of its augmented views.

    Returns:
        ``(N,)`` by split, see :func:`unlearning_pl.functional.threshold_attack.encoder_score`; high means "trained
        on".

    Example:
        >>> membership_scores({})
        {}
    """
    return {split: encoder_score(embeddings.similarities) for split, embeddings in filled(splits).items()}


def threshold(scores: Scores) -> float | None:
    """Score from which on the attacker calls an image a member; None without retain or test images.

    Fitted on retain (members) against test (non-members), the larger cut to the size of the smaller by
    rank, a random choice with seed 0.

    Example:
        >>> from torch import tensor
        >>> round(threshold({"retain": tensor([0.9, 0.8]), "test": tensor([0.2, 0.1])}), 3)
        0.202
    """
    if "retain" not in scores or "test" not in scores:
        return None
    return binned_threshold(*by_rank(scores["retain"], scores["test"])).item()


def separation(members: Tensor, non_members: Tensor) -> dict[str, float]:
    """How well scores tell two sets of images apart.

    Args:
        members: Scores ``(M,)`` of the images called members.
        non_members: Scores ``(L,)`` of unseen images.

    Returns:
        ``auc``, in [0, 1]; ``tpr_at_1_fpr`` and ``tpr_at_0.1_fpr``, in percent, which are not defined with fewer than
        100 (1000) unseen images.

    Example:
        >>> from torch import tensor
        >>> separation(tensor([0.9, 0.8]), tensor([0.2, 0.1]))
        {'auc': 1.0}
    """
    rates = {key: rate for key, rate in _RATES.items() if rate * len(non_members) >= 1}
    found = {key: 100 * tpr_at_fpr(members, non_members, rate).item() for key, rate in rates.items()}
    return {"auc": membership_auc(members, non_members).item(), **found}


def separation_intervals(members: Tensor, non_members: Tensor) -> dict[str, Interval]:
    """The 95 % bootstrap intervals of what :func:`separation` says.

    Few images drawn anew are much the same few images: with fewer than ten in a set the interval would be far too
    narrow, so there is none; nor is there one where all draws agree.

    Example:
        >>> from torch import arange, tensor
        >>> separation_intervals(arange(12.0), arange(12.0) + 1)["auc"]
        (0.2013888955116272, 0.6631944179534912)
        >>> separation_intervals(tensor([0.9, 0.8]), tensor([0.2, 0.1]))
        {}
    """
    if min(len(members), len(non_members)) < _FEWEST:
        return {}
    found = {"auc": bootstrap_interval(membership_auc, members, non_members)}
    for key, rate in _RATES.items():
        if rate * len(non_members) >= 1:
            low, high = bootstrap_interval(partial(tpr_at_fpr, rate=rate), members, non_members)
            found[key] = (100 * low, 100 * high)
    return {key: (low, high) for key, (low, high) in found.items() if low < high}


def membership(scores: Scores) -> dict[str, float]:
    """What a threshold on the scores of :func:`membership_scores` finds out.

    Returns:
        Each where its images exist:

        ``encoder_mi``: percent of forget images called non-members (EMIA of MUC, arXiv 2406.03603), by
        :func:`threshold`; ``encoder_mi_bagged``: a steadier reading, see
        :func:`unlearning_pl.functional.threshold_attack.encoder_mi_bagged`.

        ``membership_auc``: ROC AUC of forget against test, in [0, 1]; 0.5 cannot tell them apart.

        ``membership_auc_retain``: the same of retain against test, cut to equal sizes.

        ``tpr_at_1_fpr``, ``tpr_at_0.1_fpr``: percent of forget images found while 1 % (0.1 %) of test images
        are accused wrongly; not defined with fewer than 100 (1000) test images.

    Example:
        >>> from torch import tensor
        >>> scores = {"forget": tensor([0.7]), "test": tensor([0.2, 0.1])}
        >>> membership(scores)
        {'membership_auc': 1.0}
    """
    metrics: dict[str, float] = {}
    forget, retain, test = (scores.get(split) for split in ("forget", "retain", "test"))
    if forget is not None and retain is not None and test is not None:
        metrics["encoder_mi"] = encoder_mi(forget, *by_rank(retain, test)).item()
        metrics["encoder_mi_bagged"] = encoder_mi_bagged(forget, retain, test).item()
    if forget is not None and test is not None:
        metrics |= _named(separation(forget, test))
    if retain is not None and test is not None:
        metrics["membership_auc_retain"] = membership_auc(*by_rank(retain, test)).item()
    return metrics


def membership_intervals(scores: Scores) -> dict[str, Interval]:
    """The 95 % bootstrap intervals of ``membership_auc`` and the true positive rates, by the same keys.

    Example:
        >>> membership_intervals({})
        {}
    """
    if "forget" not in scores or "test" not in scores:
        return {}
    return _named(separation_intervals(scores["forget"], scores["test"]))


def learned_attacks(splits: BySplit) -> tuple[dict[str, float], dict[str, Interval]]:
    """What EncoderMI's learned attackers find out, fitted on retain against test.

    Returns:
        ``encoder_mi_vector``, ``encoder_mi_set``: percent of forget images called non-members;
        ``membership_auc_vector``, ``membership_auc_set``: ROC AUC of forget against test. Nothing without forget
        images, or with fewer than two retain or test images. And the 95 % intervals of the AUCs.

    Example:
        >>> learned_attacks({})
        ({}, {})
    """
    splits = filled(splits)
    if "forget" not in splits or any(len(splits[s].index) < 2 if s in splits else True for s in ("retain", "test")):
        return {}, {}
    retain, test, forget = (splits[split].similarities for split in ("retain", "test", "forget"))
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    for kind in _KINDS:
        _, unseen, judged = cross_fitted_scores(kind, retain, test, forget)
        metrics[f"encoder_mi_{kind}"] = 100 * (judged < 0).double().mean().item()
        metrics[f"membership_auc_{kind}"] = membership_auc(judged, unseen).item()
        found = separation_intervals(judged, unseen)
        intervals |= {f"membership_auc_{kind}": found["auc"]} if "auc" in found else {}
    return metrics, intervals


def _named(found: dict[str, T]) -> dict[str, T]:
    return {"membership_auc" if key == "auc" else key: value for key, value in found.items()}
