"""Membership scores of a classifier's output: confidence, correctness, entropy, modified entropy, scaled logit.

Letters: N images, K classes.

References:
    [1] Song and Mittal, Systematic Evaluation of Privacy Risks of Machine Learning Models, USENIX Security 2021, arXiv
        2003.10595
    [2] Carlini et al., Membership Inference Attacks From First Principles, S&P 2022, arXiv 2112.03570
"""

import torch
from torch import Tensor

from unlearning_pl.functional.precision import full_precision


@full_precision
def confidence(probabilities: Tensor, target: Tensor) -> Tensor:
    """Confidence: predicted probability of the true class; high for a member, an image that the model was trained on.

    Args:
        probabilities: Class probabilities, ``(N, K)``, rows that sum to 1.
        target: True class of each image, ``(N,)`` int64.

    Returns:
        ``(N,)`` in [0, 1].

    Raises:
        ValueError: Shapes that do not match, or a class outside [0, K).

    Example:
        >>> confidence(torch.tensor([[0.75, 0.25], [0.5, 0.5]]), torch.tensor([1, 0]))
        tensor([0.2500, 0.5000])
    """
    _require_classes(probabilities, target)
    return probabilities.gather(1, target[:, None])[:, 0]


@full_precision
def correctness(probabilities: Tensor, target: Tensor) -> Tensor:
    """Correctness: 1 if the predicted class is the true class, else 0; higher on average for members.

    Args:
        probabilities: Class probabilities or logits, ``(N, K)``.
        target: True class of each image, ``(N,)`` int64.

    Returns:
        ``(N,)``, 0 or 1.

    Raises:
        ValueError: Shapes that do not match, or a class outside [0, K).

    Example:
        >>> correctness(torch.tensor([[0.75, 0.25], [0.25, 0.75]]), torch.tensor([1, 1]))
        tensor([0., 1.])
    """
    _require_classes(probabilities, target)
    return (probabilities.argmax(dim=1) == target).to(probabilities.dtype)


@full_precision
def entropy(probabilities: Tensor, target: Tensor) -> Tensor:
    r"""Entropy of the class probabilities, in nats; low for an image that the model was trained on.

    .. math:: H_i = - \sum_c p_{ic} \log p_{ic}

    Args:
        probabilities: Class probabilities, ``(N, K)``.
        target: True class of each image, ``(N,)`` int64; only checked, for a signature common to all scores.

    Returns:
        ``(N,)`` in [0, log K].

    Raises:
        ValueError: Shapes that do not match, or a class outside [0, K).

    Example:
        >>> entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.6931, 0.0000])
    """
    _require_classes(probabilities, target)
    terms: Tensor = torch.special.entr(probabilities)
    return terms.sum(dim=1)


@full_precision
def modified_entropy(probabilities: Tensor, target: Tensor) -> Tensor:
    r"""Modified entropy: entropy that includes the true class, small only for a confident and correct prediction [1].

    .. math:: M_i = - (1 - p_{iy}) \log p_{iy} - \sum_{c \ne y} p_{ic} \log(1 - p_{ic})

    Low for an image that the model was trained on. The argument of a logarithm is at least the smallest normal number,
    so a confident and wrong prediction has a large but finite value.

    Args:
        probabilities: Class probabilities, ``(N, K)``.
        target: True class y of each image, ``(N,)`` int64.

    Returns:
        ``(N,)``, at least 0.

    Raises:
        ValueError: Shapes that do not match, or a class outside [0, K).

    Example:
        >>> modified_entropy(torch.tensor([[0.5, 0.5], [1.0, 0.0]]), torch.tensor([0, 0]))
        tensor([0.6931, 0.0000])
    """
    _require_classes(probabilities, target)
    is_true_class = torch.zeros_like(probabilities, dtype=torch.bool).scatter_(1, target[:, None], True)
    # the roles of p and 1 - p are exchanged for the true class
    likely = probabilities.where(is_true_class, 1 - probabilities)
    return ((likely - 1) * likely.clamp_min(torch.finfo(likely.dtype).tiny).log()).sum(dim=1)


@full_precision
def scaled_logit(logits: Tensor, target: Tensor) -> Tensor:
    r"""Scaled logit: log odds of the true class, which are close to normally distributed over models [2].

    .. math:: \phi_i = \log \frac{p_{iy}}{1 - p_{iy}} = z_{iy} - \log \sum_{c \ne y} \exp z_{ic}

    Computed from the logits z, since ``1 - p`` of a confident model rounds to zero. High for an image that the model
    was trained on. KLOM compares the same quantity, called margin.

    Args:
        logits: Logits z of each class, ``(N, K)``, K >= 2.
        target: True class y of each image, ``(N,)`` int64.

    Returns:
        ``(N,)``, finite for finite logits.

    Raises:
        ValueError: Shapes that do not match, a class outside [0, K), or a single class.

    Example:
        >>> scaled_logit(torch.tensor([[2.0, 0.0], [0.0, 300.0]]), torch.tensor([0, 0]))
        tensor([   2., -300.])
    """
    _require_classes(logits, target)
    if logits.shape[1] < 2:
        raise ValueError("Expected logits of two classes or more, got one. Log odds need another class.")
    others = logits.scatter(1, target[:, None], -torch.inf)
    return logits.gather(1, target[:, None])[:, 0] - others.logsumexp(dim=1)


def _require_classes(values: Tensor, target: Tensor) -> None:
    if values.ndim != 2 or target.shape != values.shape[:1]:
        raise ValueError(
            f"Expected values (N, K) and classes (N,), got {tuple(values.shape)} and {tuple(target.shape)}. "
            "Give one row and one class per image."
        )
    if len(target) and not 0 <= int(target.min()) <= int(target.max()) < values.shape[1]:
        raise ValueError(
            f"Expected classes from 0 to {values.shape[1] - 1}, got {int(target.min())} to {int(target.max())}. "
            "Number the classes as the columns."
        )
