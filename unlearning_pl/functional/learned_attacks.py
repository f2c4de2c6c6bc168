"""Membership attacks that learn from examples which answers members get.

Letters: N images to judge, P pairs of views, F features of an image, M members, L non-members.

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

Kind = Literal["vector", "set"]
"""What an attacker makes of the similarities of an image: one vector of them in order of size, or a set."""
Attacker = Callable[[Tensor], Tensor]
"""Scores ``(N,)`` of similarities ``(N, P)``, high for a member."""
_STEPS, _BATCH, _RATE, _WIDTH = 150, 128, 0.01, 32


class SetNetwork(nn.Module):
    r"""A score of a set of numbers, the same in any order: :math:`\rho(\frac{1}{P} \sum_p \phi(s_p))` [2].

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
    """Learn to tell members from non-members by the similarities of their views: EncoderMI's -V and -S [1].

    "vector" is a network of two hidden layers on the similarities in order of size, "set" a :class:`SetNetwork`. Both
    minimise the logistic loss with AdamW in 150 steps of 128 images, the learning rate falling to 0. The larger set is
    cut to the size of the smaller (:func:`equal_sizes`), similarities are scaled by the mean and deviation of what is
    left, and the global random state is left alone.

    Args:
        kind: "vector" or "set".
        members: Similarities of pairs of views of members, ``(M, P)``, see
            :func:`unlearning_pl.functional.threshold_attack.pair_similarities`.
        non_members: Of non-members, ``(L, P)``.
        seed: Seed of the first weights, the batches and the cut.

    Returns:
        The attacker, from similarities ``(N, P)`` to log odds ``(N,)``: above 0 for a member. Never judge it on what it
        was trained on, see :func:`cross_fitted_scores`.

    Raises:
        ValueError: An unknown kind, an empty set, or sets of different pairs.

    Example:
        >>> members, non_members = torch.full((8, 3), 0.9), torch.full((8, 3), 0.1)
        >>> train_attacker("set", members, non_members)(torch.tensor([[0.9, 0.9, 0.9], [0.1, 0.1, 0.1]])) > 0
        tensor([ True, False])
    """
    _require_pairs(kind, members, non_members)
    known = torch.cat(equal_sizes(members, non_members, seed)).detach().float()
    labels = (torch.arange(len(known), device=known.device) < len(known) // 2).float()
    arranged = _arranged(kind, known)
    mean, deviation = _scale(kind, arranged)
    with torch.inference_mode(False), torch.enable_grad():
        network = _network(kind, known.shape[1], seed).to(known.device)
        _fit(network, (arranged - mean) / deviation, labels, seed)

    def score(similarities: Tensor) -> Tensor:
        with torch.no_grad():
            scores: Tensor = network((_arranged(kind, similarities.float()) - mean) / deviation)
        return scores[:, 0]

    return score


def cross_fitted_scores(
    kind: Kind, members: Tensor, non_members: Tensor, others: Tensor, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Judge each image by an attacker that was not trained on it.

    Two attackers are trained, each on a random half of the members and of the non-members:

    =============== ======================================
    judged          by the attacker trained on
    =============== ======================================
    first halves    second halves
    second halves   first halves
    others          second halves for one random half, first halves for the other
    =============== ======================================

    Args:
        kind: "vector" or "set", see :func:`train_attacker`.
        members: Similarities of pairs of views of members, ``(M, P)``, M >= 2.
        non_members: Of non-members, ``(L, P)``, L >= 2.
        others: Of images that nobody is trained on (here: forget), ``(N, P)``.
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
    _require_pairs(kind, members, non_members)
    _require_pairs(kind, members, others)
    if min(len(members), len(non_members)) < 2:
        raise ValueError(
            f"Expected two members and two non-members or more, got {len(members)} and {len(non_members)}. "
            "One half judges the other."
        )
    sets = (members, non_members, others)
    halves = [_halves(rows, seed) for rows in sets]
    attackers = [
        train_attacker(kind, members[own], non_members[other], seed) for own, other in zip(*halves[:2], strict=True)
    ]

    def judged(rows: Tensor, first: Tensor, second: Tensor) -> Tensor:
        scores = torch.empty(len(rows), device=rows.device)
        scores[first], scores[second] = attackers[1](rows[first]), attackers[0](rows[second])
        return scores

    # Others as well are judged by one attacker each: a mean of two would be less spread than what it is compared with.
    found = [judged(rows, *half) for rows, half in zip(sets, halves, strict=True)]
    return found[0], found[1], found[2]


def svc_attack(forget: Tensor, members: Tensor, non_members: Tensor) -> Tensor:
    """Percent of the forgotten images that a support vector machine takes for unseen: CMIA [3].

    scikit-learn's SVC with C = 3 and a radial kernel of width ``gamma = "auto"``, fitted on members (retain) against
    non-members (test) of equal number, never on the images that are judged.

    Args:
        forget: Score of each image to forget, ``(N,)``, or features ``(N, F)``; MUC's is the probability of the true
            class, see :func:`unlearning_pl.functional.confidence.confidence`.
        members: Of retained images, ``(M,)`` or ``(M, F)``.
        non_members: Of unseen images, ``(M,)`` or ``(M, F)``: as many, see
            :func:`unlearning_pl.functional.threshold_attack.equal_sizes`.

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
    rows = [given.detach().double().cpu().reshape(len(given), -1) for given in sets]
    machine = SVC(C=3, kernel="rbf", gamma="auto")
    machine.fit(torch.cat(rows[:2]).numpy(), [1] * len(members) + [0] * len(non_members))
    unseen = torch.from_numpy(machine.predict(rows[2].numpy())) == 0
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


def _arranged(kind: Kind, similarities: Tensor) -> Tensor:
    return similarities.sort(dim=1).values if kind == "vector" else similarities


def _scale(kind: Kind, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation: of each place in the order, or of all members of all sets."""
    over = [0] if kind == "vector" else [0, 1]
    deviation, mean = torch.std_mean(rows, dim=over, correction=0)
    return mean, deviation.clamp_min(1e-6)  # one value for all images tells nothing, and must not be NaN


def _halves(rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)).to(rows.device)
    return order[: len(rows) // 2], order[len(rows) // 2 :]


def _require_pairs(kind: Kind, first: Tensor, second: Tensor) -> None:
    if kind not in ("vector", "set"):
        raise ValueError(f'Expected an attacker "vector" or "set", got {kind!r}. Choose one of them.')
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.numel() or not len(second):
        raise ValueError(
            f"Expected similarities (N, P) of the same pairs, got {tuple(first.shape)} and {tuple(second.shape)}. "
            "Embed the same number of views of every image."
        )
