"""Learned membership attacks: EncoderMI's vector and set attackers, and MUC's support vector machine.

Letters: N images to score, P pairs of views, F features of an image, M members, L non-members.

References:
    [1] Liu et al., EncoderMI: Membership Inference against Pre-trained Encoders in Contrastive Learning, CCS
        2021, arXiv 2108.11023
    [2] Zaheer et al., Deep Sets, NeurIPS 2017, arXiv 1703.06114
    [3] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv 2406.03603
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from sklearn.svm import SVC
from torch import Tensor, nn

from unlearning_pl.functional.roc import require_scores
from unlearning_pl.functional.threshold_attack import equal_sizes
from unlearning_pl.functional.weighted_groups import weighted_groups

Kind = Literal["vector", "set"]
"""Input of an attacker: the similarities of an image as a sorted vector, or as a set."""
Attacker = Callable[[Tensor], Tensor]
"""Maps similarities ``(N, P)`` to scores ``(N,)``, high for a member."""
_STEPS, _BATCH, _RATE, _WIDTH = 150, 128, 0.01, 32


class SetNetwork(nn.Module):
    r"""Deep set: a permutation-invariant score of a set of numbers, :math:`\rho(\frac{1}{P} \sum_p \phi(s_p))` [2].

    Args:
        width: Width of all layers.

    Example:
        >>> network, similarities = SetNetwork(4), torch.rand(2, 6)
        >>> torch.allclose(network(similarities), network(similarities.flip(1)))
        True
    """

    def __init__(self, width: int = _WIDTH) -> None:
        super().__init__()
        self.each = nn.Sequential(nn.Linear(1, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.together = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, similarities: Tensor) -> Tensor:
        """Score ``(N, 1)`` of similarities ``(N, P)``."""
        scores: Tensor = self.together(self.each(similarities[..., None]).mean(dim=1))
        return scores


def train_attacker(kind: Kind, members: Tensor, non_members: Tensor, seed: int = 0) -> Attacker:
    """Train EncoderMI's learned attacker, vector-based (-V) or set-based (-S), on similarities of views [1].

    "vector" is a network of two hidden layers on the sorted similarities, "set" a :class:`SetNetwork`. Both minimise
    the logistic loss with AdamW in 150 steps of 128 images, with a learning rate that decays linearly to 0. The larger
    set is cut to the size of the smaller (:func:`equal_sizes`), similarities are standardised by the mean and deviation
    of the remaining ones, and the global random state does not change.

    Args:
        kind: "vector" or "set".
        members: Similarities of pairs of views of members, ``(M, P)``, see
            :func:`unlearning_pl.functional.threshold_attack.pair_similarities`.
        non_members: Similarities of pairs of views of non-members, ``(L, P)``.
        seed: Seed of the initial weights, the batches and the cut.

    Returns:
        The attacker, which maps similarities ``(N, P)`` to log odds ``(N,)``: above 0 for a member. Never evaluate it
        on its training images, see :func:`cross_fitted_scores`.

    Raises:
        ValueError: An unknown kind, an empty set, or sets of different pairs.

    Example:
        >>> members, non_members = torch.full((8, 3), 0.9), torch.full((8, 3), 0.1)
        >>> train_attacker("set", members, non_members)(torch.tensor([[0.9, 0.9, 0.9], [0.1, 0.1, 0.1]])) > 0
        tensor([ True, False])
    """
    _check_similarities(kind, members, non_members)
    known = torch.cat(equal_sizes(members, non_members, seed)).detach().float()
    labels = (torch.arange(len(known), device=known.device) < len(known) // 2).float()
    inputs = _to_input(kind, known)
    mean, deviation = _standardisation(kind, inputs)
    with torch.inference_mode(False), torch.enable_grad():
        network = _network(kind, known.shape[1], seed).to(known.device)
        _fit(network, (inputs - mean) / deviation, labels, seed)

    def score(similarities: Tensor) -> Tensor:
        with torch.no_grad():
            scores: Tensor = network((_to_input(kind, similarities.float()) - mean) / deviation)
        return scores[:, 0]

    return score


def cross_fitted_scores(
    kind: Kind, members: Tensor, non_members: Tensor, others: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Score each image by an attacker that was not trained on it (cross-fitting).

    Two attackers are trained, each on a random half of the members and of the non-members:

    =============== ======================================
    scored          by the attacker trained on
    =============== ======================================
    first halves    second halves
    second halves   first halves
    others          second halves for one random half, first halves for the other
    =============== ======================================

    Args:
        kind: "vector" or "set", see :func:`train_attacker`.
        members: Similarities of pairs of views of members, ``(M, P)``, M >= 2.
        non_members: Similarities of pairs of views of non-members, ``(L, P)``, L >= 2.
        others: Similarities of images that no attacker is trained on (here: forget), ``(N, P)``.
        seed: Seed of the halves and of both attackers.

    Returns:
        Scores of members ``(M,)``, non-members ``(L,)`` and others ``(N,)``, in their order, high for a member.

    Raises:
        ValueError: An unknown kind, fewer than two members or non-members, or sets of different pairs.

    Example:
        >>> sets = torch.full((8, 3), 0.9), torch.full((8, 3), 0.1), torch.full((2, 3), 0.9)
        >>> [bool((scores > 0).all()) for scores in cross_fitted_scores("vector", *sets)]
        [True, False, True]
    """
    _check_similarities(kind, members, non_members)
    _check_similarities(kind, members, others)
    if min(len(members), len(non_members)) < 2:
        raise ValueError(
            f"Expected two members and two non-members or more, got {len(members)} and {len(non_members)}. "
            "An attacker trained on one half scores the other."
        )
    sets = (members, non_members, others)
    halves = [_halves(rows, seed) for rows in sets]
    attackers = [
        train_attacker(kind, members[own], non_members[other], seed) for own, other in zip(*halves[:2], strict=True)
    ]

    def scored(rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
        scores = torch.empty(len(rows), device=rows.device)
        scores[first], scores[second] = attackers[1](rows[first]), attackers[0](rows[second])
        return scores

    # One attacker per image for others too: the mean of two would have less variance than the scores it is compared to.
    results = [scored(rows, *half) for rows, half in zip(sets, halves, strict=True)]
    return results[0], results[1], results[2]


def svc_attack(forget: Tensor, members: Tensor, non_members: Tensor, groups: int | None = None) -> Tensor:
    """Classifier MI (CMIA): percent of forget images that a support vector machine classifies as non-members [3].

    scikit-learn's SVC with C = 3 and a radial kernel of width ``gamma = "auto"``, fitted on members (retain) against
    non-members (test) of equal number, never on the forget images.

    Args:
        forget: Score of each image to forget, ``(N,)``, or features ``(N, F)``; MUC's is the probability of the true
            class, see :func:`unlearning_pl.functional.confidence.confidence`.
        members: Scores or features of retained images, ``(M,)`` or ``(M, F)``.
        non_members: Scores or features of unseen images, ``(M,)`` or ``(M, F)``: of the same number, see
            :func:`unlearning_pl.functional.threshold_attack.equal_sizes`.
        groups: Fit on at most so many weighted means of near members, and as many of non-members, see
            :func:`unlearning_pl.functional.weighted_groups.weighted_groups`: exact up to so many distinct rows, an
            approximation beyond. None fits on all.

    Returns:
        A scalar in [0, 100].

    Raises:
        ValueError: An empty set, or members and non-members of unequal shape.

    Example:
        >>> members, non_members = torch.tensor([0.9, 0.8]), torch.tensor([0.2, 0.1])
        >>> svc_attack(torch.tensor([0.95, 0.3, 0.1, 0.15]), members, non_members)
        tensor(75.)
    """
    require_scores(forget, members)
    if members.shape != non_members.shape:
        raise ValueError(
            f"Expected members and non-members of one shape, got {tuple(members.shape)} and "
            f"{tuple(non_members.shape)}. Cut the larger set with equal_sizes first."
        )
    sets = (members, non_members, forget)
    rows = [values.detach().double().cpu().reshape(len(values), -1) for values in sets]
    (seen, seen_weights), (new, new_weights) = [weighted_groups(r, groups or len(r)) for r in rows[:2]]
    svc = SVC(random_state=0, C=3, kernel="rbf", gamma="auto")
    labels, weights = [1] * len(seen) + [0] * len(new), torch.cat([seen_weights, new_weights])
    svc.fit(torch.cat([seen, new]).numpy(), labels, sample_weight=weights.numpy())
    unseen = torch.from_numpy(svc.predict(rows[2].numpy())) == 0
    return 100 * unseen.float().mean().to(forget.device)


def _network(kind: Kind, pairs: int, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would set those of devices as well
        if kind == "set":
            return SetNetwork()
        layers = (nn.Linear(pairs, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, _WIDTH), nn.ReLU(), nn.Linear(_WIDTH, 1))
        return nn.Sequential(*layers)


def _fit(network: nn.Module, rows: Tensor, labels: Tensor, seed: int) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=1e-2, fused=True)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, _STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_STEPS):
        batch = torch.randint(len(rows), (min(_BATCH, len(rows)),), generator=generator).to(rows.device)
        loss = F.binary_cross_entropy_with_logits(network(rows[batch])[:, 0], labels[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        decay.step()


def _to_input(kind: Kind, similarities: Tensor) -> Tensor:
    return similarities.sort(dim=1).values if kind == "vector" else similarities


def _standardisation(kind: Kind, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation: per rank for sorted vectors, over all elements for sets."""
    over = [0] if kind == "vector" else [0, 1]
    deviation, mean = torch.std_mean(rows, dim=over, correction=0)
    return mean, deviation.clamp_min(1e-6)  # a constant column carries no information and must not give NaN


def _halves(rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).to(rows.device)
    return order[: len(rows) // 2], order[len(rows) // 2 :]


def _check_similarities(kind: Kind, first: Tensor, second: Tensor) -> None:
    if kind not in ("vector", "set"):
        raise ValueError(f'Expected an attacker "vector" or "set", got {kind!r}. Choose one of them.')
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.numel() or not len(second):
        raise ValueError(
            f"Expected similarities (N, P) of the same pairs, got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed the same number of views of every image."
        )
