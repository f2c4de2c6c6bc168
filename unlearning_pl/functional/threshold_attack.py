"""EncoderMI's threshold attack: membership inference on an encoder by the similarity of augmented views.

A score is higher for a member (trained on) than for a non-member (never seen). Letters: N images, V views of
each, D dimensions of an embedding, M members, L non-members, R draws of a bootstrap.

References:
    [1] Liu et al., EncoderMI: Membership Inference against Pre-trained Encoders in Contrastive Learning, CCS
        2021, arXiv 2108.11023
    [2] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv
        2406.03603
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from unlearning_pl.functional.counted_resamples import resampled_thresholds
from unlearning_pl.functional.precision import full_precision
from unlearning_pl.functional.roc import require_scores


@full_precision
def pair_similarities(views: Tensor) -> Tensor:
    """Pairwise cosine similarities of an image's augmented views, the input of all EncoderMI attacks [1].

    Args:
        views: Embeddings of V augmented copies of each image, ``(N, V, D)``, V >= 2.

    Returns:
        Cosine similarity of each pair of views, ``(N, P)`` float32, P = V (V - 1) / 2, in the order (0, 1), (0, 2),
        ..., (V - 2, V - 1).

    Raises:
        ValueError: Not three dimensions, or fewer than two views.

    Example:
        >>> pair_similarities(torch.tensor([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]]))
        tensor([[1., 0., 0.]])
    """
    if views.ndim != 3 or views.shape[1] < 2:
        raise ValueError(
            f"Expected views of shape (N, V, D) with V >= 2, got {tuple(views.shape)}. "
            "Embed two or more augmented copies of each image."
        )
    unit = F.normalize(views.float(), dim=2)
    first, second = torch.triu_indices(views.shape[1], views.shape[1], 1, device=views.device)
    return (unit @ unit.mT)[:, first, second]


def encoder_score(similarities: Tensor) -> Tensor:
    """EncoderMI score: mean similarity of an image's augmented views, the score of the threshold attack [1].

    Args:
        similarities: Cosine similarities of all pairs of an image's views, ``(N, P)``, see :func:`pair_similarities`.

    Returns:
        Their mean, ``(N,)``, in [-1, 1]; high for an image that the encoder was trained on.

    Example:
        >>> encoder_score(torch.tensor([[1.0, 0.5, 0.0]]))
        tensor([0.5000])
    """
    return similarities.mean(dim=1)


def equal_sizes(members: Tensor, non_members: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Cut the larger of two sets of scores to the size of the smaller, by a seeded random choice.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        seed: Seed of the choice; the same seed and sizes select the same rows.

    Returns:
        Both sets with ``min(M, L)`` scores; the smaller set keeps its order.

    Example:
        >>> members, non_members = equal_sizes(torch.arange(5.0), torch.arange(3.0))
        >>> len(members), non_members
        (3, tensor([0., 1., 2.]))
    """
    size = min(len(members), len(non_members))

    def cut(scores: Tensor) -> Tensor:
        if len(scores) == size:
            return scores
        order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(seed))
        return scores[order[:size].to(scores.device)]

    return cut(members), cut(non_members)


def equal_sizes_by_rank(members: Tensor, non_members: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Cut two sets of scores to equal sizes by rank, independent of the order of the images.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``.
        seed: Seed of the choice, see :func:`equal_sizes`.

    Example:
        >>> equal_sizes_by_rank(torch.tensor([3.0, 1.0, 2.0]), torch.tensor([2.0, 1.0]))[1]
        tensor([1., 2.])
    """
    return equal_sizes(members.sort().values, non_members.sort().values, seed)


def best_threshold(members: Tensor, non_members: Tensor) -> Tensor:
    """Best threshold among all observed scores: an image with this score or a higher one is classified as a member.

    Maximises the accuracy ``(P(member >= t) + P(non-member < t)) / 2`` over every observed score t. Of several best
    thresholds it takes the lowest: in case of doubt an image counts as a member, that is, as not forgotten.

    Args:
        members: Scores of members, ``(..., M)``.
        non_members: Scores of non-members, ``(..., M)``, as many as members, see :func:`equal_sizes`.

    Returns:
        The threshold, ``(...)``: a scalar for two sets, one value per row for rows of sets.

    Raises:
        ValueError: Sets of unequal size, or empty sets.

    Example:
        >>> best_threshold(torch.tensor([0.9, 0.8, 0.3]), torch.tensor([0.5, 0.2, 0.1]))
        tensor(0.3000)
    """
    _check_equal_sizes(members, non_members)
    return _lowest_best_candidate(torch.cat([members, non_members], dim=-1).sort(dim=-1).values, members, non_members)


def binned_threshold(
    members: Tensor, non_members: Tensor, bins: int = 500, low: float = 0.0, high: float = 1.0
) -> Tensor:
    """Best threshold among the edges of equal bins, MUC's protocol [2].

    Maximises the same accuracy as :func:`best_threshold`, and takes the lowest of the best ``bins + 1`` edges from
    ``low`` to ``high``. Scores outside that range are compared with the edges like all others.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(M,)``, as many as members, see :func:`equal_sizes`.
        bins: Number of bins.
        low: The lowest edge.
        high: The highest edge.

    Returns:
        The threshold, a scalar.

    Raises:
        ValueError: Sets of unequal size, empty sets, no bin, or a range of no width.

    Example:
        >>> binned_threshold(torch.tensor([0.9, 0.8, 0.31]), torch.tensor([0.5, 0.2, 0.1]), bins=10)
        tensor(0.3000)
    """
    _check_equal_sizes(members, non_members)
    if bins < 1 or not low < high:
        raise ValueError(
            f"Expected one bin or more and low < high, got {bins} from {low} to {high}. The paper has 500 from 0 to 1."
        )
    edges = torch.linspace(low, high, bins + 1, dtype=torch.float64).to(members)
    return _lowest_best_candidate(edges, members, non_members)


def encoder_mi(forget: Tensor, members: Tensor, non_members: Tensor) -> Tensor:
    """EncoderMI (EMIA): percent of forget images that the threshold attack classifies as non-members [2].

    MUC's protocol fits the threshold on members (retain) against non-members (test) of equal number, never on the
    forget images. Over-forgetting shows as a value above the retrained model's.

    Args:
        forget: Scores of the images to forget, ``(N,)``.
        members: Scores of retained images, ``(M,)``.
        non_members: Scores of unseen images, ``(M,)``.

    Returns:
        A scalar in [0, 100]: the percentage of ``forget`` below :func:`binned_threshold`.

    Raises:
        ValueError: An empty set, or members and non-members of unequal size.

    Example:
        >>> members, non_members = torch.tensor([0.9, 0.8]), torch.tensor([0.2, 0.1])
        >>> encoder_mi(torch.tensor([0.95, 0.3, 0.1, 0.15]), members, non_members)
        tensor(50.)
    """
    require_scores(forget, members)
    return 100 * (forget < binned_threshold(members, non_members)).float().mean()


def encoder_mi_bagged(forget: Tensor, members: Tensor, non_members: Tensor, draws: int = 200, seed: int = 0) -> Tensor:
    """Bagged EncoderMI: mean of :func:`encoder_mi` over the thresholds of many bootstrap resamples.

    A single threshold is sensitive to a few members, and :func:`equal_sizes` drops members. Here each resample takes
    ``min(M, L)`` of the members and as many of the non-members, with replacement, so that all of them contribute; its
    threshold is :func:`best_threshold`. For 60 forget, 340 retain and 90 test images with normal scores the standard
    deviation over simulated sets is half as large.

    Args:
        forget: Scores of the images to forget, ``(N,)``.
        members: Scores of retained images, ``(M,)``.
        non_members: Scores of unseen images, ``(L,)``; L may differ from M.
        draws: Number of resamples R.
        seed: The same seed and sizes draw the same rows.

    Returns:
        A scalar in [0, 100]: the mean percentage of ``forget`` below the threshold of a resample.

    Raises:
        ValueError: An empty set, or no draw.

    Example:
        >>> members, non_members = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([0.2, 0.1])
        >>> encoder_mi_bagged(torch.tensor([0.95, 0.3, 0.1, 0.65]), members, non_members)
        tensor(75.)
    """
    require_scores(forget, members)
    require_scores(forget, non_members)
    thresholds = resampled_thresholds(members, non_members, draws, seed)
    below = torch.searchsorted(forget.sort().values, thresholds)
    return 100 * below.sum() / (len(thresholds) * len(forget))


def _lowest_best_candidate(candidates: Tensor, members: Tensor, non_members: Tensor) -> Tensor:
    """The first of ascending candidates ``(..., C)`` with the largest accuracy, ``(...)``."""
    false_negatives = torch.searchsorted(members.sort(dim=-1).values, candidates)
    true_negatives = torch.searchsorted(non_members.sort(dim=-1).values, candidates)
    balance = true_negatives - false_negatives
    best = balance == balance.amax(dim=-1, keepdim=True)
    # torch.argmax may return any of several equal maxima; the first one is the lowest threshold
    first = best.cumsum(dim=-1).eq(0).sum(dim=-1, keepdim=True)
    return candidates.gather(-1, first).squeeze(-1)


def _check_equal_sizes(members: Tensor, non_members: Tensor) -> None:
    require_scores(members, non_members)
    if members.shape != non_members.shape:
        raise ValueError(
            f"Expected as many members as non-members, got {members.shape[-1]} and {non_members.shape[-1]}. "
            "Cut the larger set with equal_sizes first."
        )
