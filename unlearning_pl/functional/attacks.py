"""Membership inference on an encoder: can an attacker tell which images it was trained on?

A score is higher for a member (trained on) than for a non-member (never seen). Letters: N images, V views of
each, D dimensions of an embedding, M members, L non-members.

References:
    [1] Liu et al., EncoderMI: Membership Inference against Pre-trained Encoders in Contrastive Learning, CCS
        2021, arXiv 2108.11023
    [2] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv
        2406.03603
    [3] Carlini et al., Membership Inference Attacks From First Principles, S&P 2022, arXiv 2112.03570
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def pair_similarities(views: Tensor) -> Tensor:
    """How alike an encoder sees each two augmented copies of an image: all that EncoderMI looks at [1].

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
    """How alike an encoder sees augmented copies of an image: the membership score of EncoderMI's threshold attack [1].

    Args:
        similarities: Of all pairs of views of each image, ``(N, P)``, see :func:`pair_similarities`.

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
        seed: Seed of the choice; the same seed and sizes choose the same rows.

    Returns:
        Both sets with ``min(M, L)`` scores; the set that is not cut keeps its order.

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


def best_threshold(members: Tensor, non_members: Tensor) -> Tensor:
    """The score from which on an image is best called a member.

    Maximises the balanced accuracy ``(P(member >= t) + P(non-member < t)) / 2`` over every observed score t
    [2]. Of several best thresholds the lowest is taken: in doubt an image counts as a member, that is, as
    not forgotten.

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(M,)``: as many, see :func:`equal_sizes`.

    Returns:
        The threshold, a scalar.

    Raises:
        ValueError: Sets of unequal size, or empty ones.

    Example:
        >>> best_threshold(torch.tensor([0.9, 0.8, 0.3]), torch.tensor([0.5, 0.2, 0.1]))
        tensor(0.3000)
    """
    _require_scores(members, non_members)
    if len(members) != len(non_members):
        raise ValueError(
            f"Expected as many members as non-members, got {len(members)} and {len(non_members)}. "
            "Cut the larger set with equal_sizes first."
        )
    candidates = torch.cat([members, non_members]).sort().values
    missed = torch.searchsorted(members.sort().values, candidates)
    caught = torch.searchsorted(non_members.sort().values, candidates)
    balance = caught - missed
    # torch.argmax may return any of several equal maxima; the first is the lowest threshold
    return candidates[int((balance == balance.max()).nonzero()[0, 0])]


def encoder_mi(forget: Tensor, members: Tensor, non_members: Tensor) -> Tensor:
    """Percent of the forgotten images that a membership attack takes for unseen: EMIA [2].

    The threshold is fitted on members (retain) against non-members (test) of equal number, never on the
    images that are judged. Over-forgetting shows as a value beyond the retrained model's.

    Args:
        forget: Scores of the images to forget, ``(N,)``.
        members: Scores of retained images, ``(M,)``.
        non_members: Scores of unseen images, ``(M,)``.

    Returns:
        A scalar in [0, 100]: the share of ``forget`` below :func:`best_threshold`.

    Raises:
        ValueError: An empty set, or members and non-members of unequal size.

    Example:
        >>> members, non_members = torch.tensor([0.9, 0.8]), torch.tensor([0.2, 0.1])
        >>> encoder_mi(torch.tensor([0.95, 0.3, 0.1, 0.85]), members, non_members)
        tensor(50.)
    """
    _require_scores(forget, members)
    return 100 * (forget < best_threshold(members, non_members)).float().mean()


def membership_auc(members: Tensor, non_members: Tensor) -> Tensor:
    """How well the score alone separates two sets of images: area under the ROC curve.

    ``P(member > non-member) + P(member = non-member) / 2`` over all pairs, exact, with ties counted half.
    0.5 means that the sets cannot be told apart; above it members score higher; below it they score lower
    than images never seen, which gives them away as well.

    Args:
        members: Scores of the images called members (here: forget), ``(M,)``.
        non_members: Scores of unseen images, ``(L,)``; L may differ from M.

    Returns:
        A scalar in [0, 1].

    Raises:
        ValueError: An empty set.

    Example:
        >>> membership_auc(torch.tensor([0.9, 0.4]), torch.tensor([0.5, 0.4]))
        tensor(0.6250)
    """
    _require_scores(members, non_members)
    ranked = non_members.sort().values
    below = torch.searchsorted(ranked, members)
    not_above = torch.searchsorted(ranked, members, right=True)
    return (below + not_above).sum() / (2 * len(members) * len(non_members))


def tpr_at_fpr(members: Tensor, non_members: Tensor, rate: float) -> Tensor:
    """Share of members that an attacker finds who may accuse at most a share ``rate`` of unseen images [3].

    Args:
        members: Scores of members, ``(M,)``.
        non_members: Scores of non-members, ``(L,)``; L of ``1 / rate`` or more, else no false alarm at all is
            allowed.
        rate: Largest false positive rate, in [0, 1].

    Returns:
        The largest true positive rate of any threshold with that false positive rate, a scalar in [0, 1].

    Raises:
        ValueError: An empty set, or a rate outside [0, 1].

    Example:
        >>> tpr_at_fpr(torch.tensor([0.9, 0.6, 0.4, 0.2]), torch.tensor([0.7, 0.5, 0.3, 0.1]), 0.25)
        tensor(0.5000)
    """
    _require_scores(members, non_members)
    if not 0 <= rate <= 1:
        raise ValueError(f"Expected a false positive rate in [0, 1], got {rate}. Give 0.01 for one percent.")
    allowed = int(rate * len(non_members) + 1e-9)  # 0.29 * 100 is 28.999999999999996
    if allowed >= len(non_members):
        return torch.ones((), device=members.device)
    return (members > non_members.sort(descending=True).values[allowed]).float().mean()


def _require_scores(first: Tensor, second: Tensor) -> None:
    for scores in (first, second):
        if scores.ndim != 1 or len(scores) == 0:
            raise ValueError(
                f"Expected one score or more of shape (N,), got {tuple(scores.shape)}. "
                "Leave the attack out for an empty set."
            )
