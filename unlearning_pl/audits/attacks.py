"""Membership attacks whose scores a verdict compares: those that are strongest for the kind of a model.

Letters: N images, M members (forget), L non-members (test).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit, Embeddings, drop_empty
from unlearning_pl.audits.image_text import pair_scores
from unlearning_pl.audits.verdict import Evidence
from unlearning_pl.functional.auc_difference import ScorePair
from unlearning_pl.functional.confidence import scaled_logit
from unlearning_pl.types import Split


def collect_evidence(
    splits: BySplit,
    scores: Mapping[Split, Tensor],
    learned: Mapping[str, ScorePair],
    utility: Mapping[str, Tensor],
) -> Evidence:
    """What the verdict on a model is based on.

    Image-text models are attacked by the similarity of image and captions (``pair``); models with classes by the log
    odds of the true class, which have the order of the loss (``confidence``); encoders by EncoderMI's three attacks on
    the similarities of an image's views (``mean``, ``vector``, ``set``). Where a class was forgotten, the non-members
    are the test images of the forgotten classes.

    Args:
        splits: The model's embeddings by split.
        scores: Membership scores, see :func:`unlearning_pl.audits.membership.membership_scores`.
        learned: Scores of the learned attacks, see :func:`unlearning_pl.audits.membership.learned_scores`.
        utility: As :func:`measure_utility` returns it.

    Example:
        >>> collect_evidence({}, {}, {}, {}).attacks
        {}
    """
    splits = drop_empty(splits)
    if not {"forget", "test"} <= splits.keys():
        return Evidence({}, utility)
    matched = matched_non_members(splits)
    pairs = {name: (pair[0], pair[1][matched]) for name, pair in _score_pairs(splits, scores, learned).items()}
    return Evidence(pairs, utility)


def measure_utility(
    splits: BySplit, hits: Mapping[Split, Tensor], neighbours: Mapping[Split, Tensor], recalls: Tensor | None = None
) -> dict[str, Tensor]:
    """Whether a model is right on each test image, by measure: the utility that it may have lost.

    Args:
        splits: The model's embeddings by split.
        hits: Correctly classified images by split, see :func:`unlearning_pl.audits.probes.correct_predictions`.
        neighbours: The same by nearest neighbours, see :func:`unlearning_pl.audits.probes.neighbour_hits`.
        recalls: Recall of each test image by a model of pairs, ``(N,)`` in [0, 1].

    Returns:
        ``(N,)`` float64 in [0, 1]: ``test_recall`` of a model of pairs, else ``test_accuracy``, and of an encoder
        ``test_knn`` too.

    Example:
        >>> measure_utility({}, {"test": torch.tensor([True, False])}, {})
        {'test_accuracy': tensor([1., 0.], dtype=torch.float64)}
    """
    if recalls is not None:
        return {"test_recall": recalls.double()}
    utility = {"test_accuracy": hits["test"].double()} if "test" in hits else {}
    if "test" in neighbours and splits["test"].logits is None:
        utility["test_knn"] = neighbours["test"].double()
    return utility


def matched_non_members(splits: BySplit) -> Tensor:
    """Mask ``(L,)`` of the test images to compare with: those of forgotten classes if a whole class was forgotten.

    Example:
        >>> from unlearning_pl.audits.embeddings import Embeddings
        >>> images = lambda *targets: Embeddings(*[torch.tensor(targets)] * 6)
        >>> matched_non_members({"retain": images(0, 1), "forget": images(2), "test": images(0, 1, 2, 2)})
        tensor([False, False,  True,  True])
    """
    test, forget = splits["test"].target, splits["forget"].target
    every = torch.ones_like(test, dtype=torch.bool)
    if "retain" not in splits or bool((forget < 0).any()) or bool(torch.isin(forget, splits["retain"].target).any()):
        return every
    matched = torch.isin(test, forget)
    return matched if int(matched.sum()) > 1 else every


def _score_pairs(
    splits: BySplit, scores: Mapping[Split, Tensor], learned: Mapping[str, ScorePair]
) -> dict[str, ScorePair]:
    forget, test = splits["forget"], splits["test"]
    pairs = pair_scores(splits)
    if pairs:
        return {"pair": (pairs["forget"], pairs["test"])}
    logits = forget.logits, test.logits
    if logits[0] is not None and logits[1] is not None and logits[0].shape[1] > 1 and _labelled(forget, test):
        return {"confidence": (_log_odds(forget), _log_odds(test))}
    return {"mean": (scores["forget"], scores["test"]), **learned}


def _labelled(*splits: Embeddings) -> bool:
    return all(bool((embeddings.target >= 0).all()) for embeddings in splits)


def _log_odds(embeddings: Embeddings) -> Tensor:
    assert embeddings.logits is not None
    return scaled_logit(embeddings.logits.double(), embeddings.target)
