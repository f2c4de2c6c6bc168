"""Alignment of views: alignment matrix, alignment gap and forgetting score.

Letters: N images, E dimensions of the projection.

References:
    [1] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv
        2406.03603
"""

import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.functional.precision import full_precision


@full_precision
def alignment_matrix(anchor: Tensor, positive: Tensor) -> Tensor:
    """Alignment matrix: cosine similarity of the first view of each image and the second view of every image.

    ``A_ij = cos(g(v0_i), g(v1_j))`` [1]. The diagonal holds the true pairs. The matrix needs embeddings only, not the
    weights of the model.

    Args:
        anchor: Projections of the first view, ``(N, E)``.
        positive: Projections of the second view, ``(N, E)``.

    Returns:
        ``(N, N)`` float32, in [-1, 1]; an embedding of zeros has similarity 0 to every other.

    Raises:
        ValueError: The two are not matrices of the same shape.

    Example:
        >>> import torch
        >>> alignment_matrix(torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
        tensor([[1., 1.],
                [0., 0.]])
    """
    if anchor.ndim != 2 or anchor.shape != positive.shape:
        raise ValueError(
            f"Expected anchor and positive of one shape (N, E), got {tuple(anchor.shape)} and "
            f"{tuple(positive.shape)}. Give one row per image in both."
        )
    return F.normalize(anchor.float(), dim=1) @ F.normalize(positive.float(), dim=1).T


def alignment_gap(original: Tensor, unlearned: Tensor) -> Tensor:
    """Alignment gap matrix: ``A(original) - A(unlearned)`` [1].

    Args:
        original: Alignment matrix of the original model, ``(N, N)``.
        unlearned: Alignment matrix of the unlearned model over the same images, ``(N, N)``.

    Returns:
        ``(N, N)``, in [-2, 2]; a positive diagonal means that unlearning lowered the alignment of the true pairs.

    Raises:
        ValueError: The two are not square matrices over the same images.

    Example:
        >>> import torch
        >>> alignment_gap(torch.eye(2), 0.25 * torch.eye(2))
        tensor([[0.7500, 0.0000],
                [0.0000, 0.7500]])
    """
    if original.ndim != 2 or original.shape[0] != original.shape[1] or original.shape != unlearned.shape:
        raise ValueError(
            f"Expected two alignment matrices of one shape (N, N), got {tuple(original.shape)} and "
            f"{tuple(unlearned.shape)}. Measure both models on the same images."
        )
    return original - unlearned


def forgetting_score(original: Tensor, unlearned: Tensor) -> Tensor:
    """Forgetting score: mean decrease in alignment of the true pairs, ``mean_i A_ii(original) - A_ii(unlearned)`` [1].

    Higher is not always better: a score above the retrained model's is over-forgetting.

    Args:
        original: Alignment matrix of the original model, ``(N, N)``.
        unlearned: Alignment matrix of the unlearned model over the same images, ``(N, N)``.

    Returns:
        A scalar in [-2, 2].

    Raises:
        ValueError: The two are not square matrices over the same images, or they are empty.

    Example:
        >>> import torch
        >>> forgetting_score(torch.eye(3), 0.25 * torch.eye(3))
        tensor(0.7500)
    """
    if original.numel() == 0:
        raise ValueError("Expected alignment matrices of one image or more, got none. Request images to forget.")
    return alignment_gap(original, unlearned).diagonal().mean()
