"""Accuracies of retain, forget and test images, by class scores, a linear probe or nearest neighbours.

References:
    [1] Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination, arXiv 1805.01978
    [2] Caron et al., Emerging Properties in Self-Supervised Vision Transformers, arXiv 2104.14294
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchmetrics.functional.classification import multiclass_confusion_matrix

from unlearning_pl.audits.embeddings import BySplit, labelled
from unlearning_pl.types import Split

JUDGED: tuple[Split, ...] = ("retain", "forget", "test")
"""The splits whose accuracy is reported."""
_ROWS = 4096  # rows of the similarity matrix at a time: 4096 x 45 000 floats are 0.7 GB


def class_probabilities(splits: BySplit) -> dict[Split, Tensor]:
    """Probability that the model gives each class, for each image.

    A learner with classes speaks for itself; of any other a linear probe does, see :func:`linear_probe`.

    Returns:
        ``(N, K)`` float64 by split; empty where nothing can be named.

    Example:
        >>> class_probabilities({})
        {}
    """
    splits = labelled(splits)
    if any(embeddings.logits is None for embeddings in splits.values()):
        return linear_probe(splits)
    return {split: look.logits.double().softmax(dim=1) for split, look in splits.items() if look.logits is not None}


def named_correctly(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """Whether the model names the class of each image.

    Args:
        splits: What the model says of each split.
        probabilities: As :func:`class_probabilities` returns them.

    Returns:
        ``(N,)`` bool by split; empty where nothing can be named.

    Example:
        >>> named_correctly({}, {})
        {}
    """
    return {split: said.argmax(dim=1) == splits[split].target for split, said in probabilities.items()}


def accuracies(hits: Mapping[Split, Tensor]) -> dict[str, float]:
    """How often the model names the class of an image, in percent (the papers' RA, UA and TA).

    ``forget_accuracy`` is MUC's UA; CoUn and SalUn call 100 minus it UA.

    Args:
        hits: As :func:`named_correctly` returns them.

    Returns:
        ``retain_accuracy``, ``forget_accuracy``, ``test_accuracy``, each where its images exist.

    Example:
        >>> accuracies({"test": torch.tensor([True, False])})
        {'test_accuracy': 50.0}
    """
    return {f"{split}_accuracy": _percent(hits[split]) for split in JUDGED if split in hits}


def class_accuracies(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """The same for the images of each class alone, in percent.

    Args:
        splits: What the model says of each split.
        probabilities: As :func:`class_probabilities` returns them.

    Returns:
        ``(K,)`` by split; NaN for a class without images there.

    Example:
        >>> class_accuracies({}, {})
        {}
    """
    found = {}
    for split, said in probabilities.items():
        target, classes = splits[split].target, said.shape[1]
        matrix = multiclass_confusion_matrix(said.argmax(dim=1), target, max(2, classes))
        found[split] = (100 * matrix.diagonal() / matrix.sum(dim=1))[:classes]
    return found


def linear_probe(splits: BySplit) -> dict[Split, Tensor]:
    """Probability of each class by a linear model on frozen features, trained on the retain images alone.

    Features are scaled to mean 0 and deviation 1 over retain, then a multinomial logistic regression with an
    L2 penalty (scikit-learn, C = 1, L-BFGS) is fitted; it is deterministic. A class that retain does not hold has
    probability 0; where retain holds a single class, that class has probability 1.

    Returns:
        ``(N, K)`` of every split; empty without retain images.

    Example:
        >>> linear_probe({})
        {}
    """
    splits = labelled(splits)
    if "retain" not in splits:
        return {}
    retain = splits["retain"]
    known, classes = torch.unique(retain.target), 1 + max(int(look.target.max()) for look in splits.values())
    if len(known) == 1:
        return {split: F.one_hot(known, classes).double().expand(len(v.target), -1) for split, v in splits.items()}
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    probe.fit(retain.features.double().numpy(), retain.target.numpy())
    probabilities = {}
    for split, look in splits.items():
        said = torch.from_numpy(probe.predict_proba(look.features.double().numpy()))
        probabilities[split] = torch.zeros(len(said), classes, dtype=said.dtype).index_copy_(1, known, said)
    return probabilities


def neighbour_accuracies(splits: BySplit, neighbours: int = 20) -> dict[str, float]:
    """How often the most similar retain images have the class of an image, in percent.

    The k nearest retain images by cosine similarity of the features vote with weight ``exp(cos / 0.1)`` [1];
    k = 20, found best in [2], or all where there are fewer. A retain image never votes for itself.

    Args:
        splits: What the model says of each split.
        neighbours: k.

    Returns:
        ``retain_knn``, ``forget_knn``, ``test_knn``, each where it is defined: ``retain_knn`` needs two
        retain images.

    Example:
        >>> neighbour_accuracies({})
        {}
    """
    splits = labelled(splits)
    if "retain" not in splits:
        return {}
    bank = splits["retain"]
    metrics = {}
    for split in (split for split in JUDGED if split in splits):
        others = len(bank.target) - (split == "retain")
        if others:
            query = splits[split]
            predicted = _vote(query.features, bank.features, bank.target, min(neighbours, others), split == "retain")
            metrics[f"{split}_knn"] = _percent(predicted == query.target)
    return metrics


def _vote(query: Tensor, bank: Tensor, classes: Tensor, neighbours: int, leave_out: bool) -> Tensor:
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
