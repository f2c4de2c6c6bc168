"""Accuracies of retain, forget and test images: class scores, linear probe and k-nearest neighbours.

References:
    [1] Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, arXiv 1805.01978
    [2] Caron et al., Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from unlearning_pl.audits.embeddings import BySplit, drop_unlabelled
from unlearning_pl.audits.muc_probe import muc_probe
from unlearning_pl.types import Split

JUDGED: tuple[Split, ...] = ("retain", "forget", "test")
"""Splits whose accuracy is reported."""
_ROWS = 4096  # rows of the similarity matrix at a time: 4096 x 45 000 floats are 0.7 GB


def class_probabilities(splits: BySplit) -> dict[Split, Tensor]:
    """Class probabilities of each image: of the model itself, or of a linear probe on its features.

    A model with class scores uses its own softmax. Any other model gets a linear probe: MUC's where augmented retain
    images were embedded for it, see :func:`~unlearning_pl.audits.muc_probe.muc_probe`; else :func:`linear_probe`.

    Returns:
        ``(N, K)`` float64 by split; empty without labelled images or without a probe.

    Example:
        >>> class_probabilities({})
        {}
    """
    splits = drop_unlabelled(splits)
    if any(embeddings.logits is None for embeddings in splits.values()):
        augmented = "retain" in splits and splits["retain"].probe_views is not None
        return muc_probe(splits) if augmented else linear_probe(splits)
    return {
        split: embeddings.logits.double().softmax(dim=1)
        for split, embeddings in splits.items()
        if embeddings.logits is not None
    }


def correct_predictions(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """Whether the predicted class of each image is its true class.

    Args:
        splits: The model's embeddings by split.
        probabilities: As :func:`class_probabilities` returns them.

    Returns:
        ``(N,)`` bool by split; empty without class probabilities.

    Example:
        >>> correct_predictions({}, {})
        {}
    """
    return {split: probs.argmax(dim=1) == splits[split].target for split, probs in probabilities.items()}


def accuracies(hits: Mapping[Split, Tensor]) -> dict[str, float]:
    """Top-1 accuracy of each split, in percent (the papers' RA, UA and TA).

    ``forget_accuracy`` is MUC's UA; CoUn and SalUn call 100 minus it UA.

    Args:
        hits: As :func:`correct_predictions` returns them.

    Returns:
        ``retain_accuracy``, ``forget_accuracy``, ``test_accuracy``, each if its split has images.

    Example:
        >>> accuracies({"test": torch.tensor([True, False])})
        {'test_accuracy': 50.0}
    """
    return {f"{split}_accuracy": _percent(hits[split]) for split in JUDGED if split in hits}


def class_accuracies(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """Top-1 accuracy of each class of each split, in percent.

    Args:
        splits: The model's embeddings by split.
        probabilities: As :func:`class_probabilities` returns them.

    Returns:
        ``(K,)`` by split; NaN for a class without images in the split.

    Example:
        >>> class_accuracies({}, {})
        {}
    """
    results = {}
    for split, probs in probabilities.items():
        target, classes = splits[split].target, probs.shape[1]
        matrix = multiclass_confusion_matrix(probs.argmax(dim=1), target, max(2, classes))
        results[split] = (100 * matrix.diagonal() / matrix.sum(dim=1))[:classes]
    return results


def linear_probe(splits: BySplit) -> dict[Split, Tensor]:
    """Linear probe: class probabilities of a linear model on frozen features, trained on the retain images only.

    Features are standardised by the mean and deviation of retain; then a multinomial logistic regression with an L2
    penalty (scikit-learn, C = 1, L-BFGS) is fitted, which is deterministic. A class without retain images has
    probability 0; if retain has a single class, that class has probability 1.

    Returns:
        ``(N, K)`` by split; empty without retain images.

    Example:
        >>> linear_probe({})
        {}
    """
    splits = drop_unlabelled(splits)
    if "retain" not in splits:
        return {}
    retain = splits["retain"]
    known_classes, classes = (
        torch.unique(retain.target),
        1 + max(int(embeddings.target.max()) for embeddings in splits.values()),
    )
    if len(known_classes) == 1:
        return {
            split: F.one_hot(known_classes, classes).double().expand(len(v.target), -1) for split, v in splits.items()
        }
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(retain.features.double().numpy(), retain.target.numpy())
    probabilities = {}
    for split, embeddings in splits.items():
        probs = torch.from_numpy(probe.predict_proba(embeddings.features.double().numpy()))
        probabilities[split] = torch.zeros(len(probs), classes, dtype=probs.dtype).index_copy_(1, known_classes, probs)
    return probabilities


def neighbour_accuracies(hits: Mapping[Split, Tensor]) -> dict[str, float]:
    """k-nearest-neighbour (kNN) accuracy of each split, in percent.

    Args:
        hits: As :func:`neighbour_hits` returns them.

    Returns:
        ``retain_knn``, ``forget_knn``, ``test_knn``, each if it is among the hits.

    Example:
        >>> neighbour_accuracies({"test": torch.tensor([True, False])})
        {'test_knn': 50.0}
    """
    return {f"{split}_knn": _percent(hits[split]) for split in JUDGED if split in hits}


def neighbour_hits(splits: BySplit, neighbours: int = 20, judged: Sequence[Split] = JUDGED) -> dict[Split, Tensor]:
    """Whether the k nearest retain images vote for the class of each image.

    They are nearest by cosine similarity of the features, and vote with weight ``exp(cos / 0.1)`` [1]; k = 20, the best
    value in [2], or all if there are fewer. A retain image is not its own neighbour.

    Args:
        splits: The model's embeddings by split.
        neighbours: k.
        judged: Splits to measure; retain images are the bank in any case.

    Returns:
        ``(N,)`` bool by split, for splits with labelled images; empty without retain images, of which retain needs two.

    Example:
        >>> neighbour_hits({})
        {}
    """
    splits = drop_unlabelled(splits)
    if "retain" not in splits:
        return {}
    bank, hits = splits["retain"], {}
    for split in judged:
        nearest = min(neighbours, len(bank.target) - (split == "retain"))
        if split in splits and nearest:
            query, own = splits[split], split == "retain"
            predictions = _knn_predictions(query.features, bank.features, bank.target, nearest, leave_out=own)
            hits[split] = predictions == query.target
    return hits


def _knn_predictions(query: Tensor, bank: Tensor, classes: Tensor, neighbours: int, leave_out: bool) -> Tensor:
    bank = F.normalize(bank, dim=1)
    votes = []
    for start in range(0, len(query), _ROWS):
        similarity = F.normalize(query[start : start + _ROWS], dim=1) @ bank.T
        if leave_out:
            similarity.diagonal(offset=start).fill_(-torch.inf)
        nearest, rows = similarity.topk(neighbours, dim=1)
        tally = torch.zeros(len(nearest), int(classes.max()) + 1)
        votes.append(tally.scatter_add_(1, classes[rows], (nearest / 0.1).exp()).argmax(dim=1))
    return torch.cat(votes)


def _percent(hits: Tensor) -> float:
    return 100 * hits.double().mean().item()
