"""From scores to findings: how well shadow models tell what was seen, or unlearned, from what was not. No model here.

Letters: N images to forget, Z test images, S shadow models.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from unlearning_pl.functional.roc import bootstrap_interval, membership_auc, tpr_at_fpr
from unlearning_pl.functional.shadow_models import gaussian_ratio, klom, leave_one_out, relative_membership
from unlearning_pl.shadow.shadow_scores import Scores

FEW = 32
"""Fewer shadow models than this share their variances over all images."""
LEAST_IN_TURN = 6
"""A variance needs two shadow models of a kind, also when one and the one that saw the other half are left out."""
_RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_0.1_fpr": 0.001}
_SWAPS = 20
_NUMBERS = 2**21  # looked at together by a bootstrap


@dataclass(frozen=True)
class Evidence:
    """What all models say of the images to forget and of the test images.

    Attributes:
        seen: Whether a shadow model saw, and then unlearned, an image, ``(S, N)`` bool; of models 2 j and 2 j + 1 one
            saw it.
        originals: The shadow models before unlearning.
        unlearned: The shadow models after unlearning.
        original: The model before unlearning.
        model: The model after unlearning.
        retrained: The reference that never saw the images; None where there is none.
    """

    seen: Tensor
    originals: Scores
    unlearned: Scores
    original: Scores
    model: Scores
    retrained: Scores | None = None

    @property
    def pooled(self) -> bool:
        """Whether variances are shared over all images."""
        return len(self.seen) < FEW


@dataclass(frozen=True)
class AttackScores:
    """What one attack says of each image; the higher, the surer that a model saw (or unlearned) it.

    Attributes:
        attack: LiRA, U-LiRA or RMIA; log ratios for the first two.
        target: Whether the ``original`` or the ``model`` is attacked.
        own: Of the target, ``(N,)``.
        retrained: Of the retrained model, ``(N,)``; None where there is none.
        in_turn: Of each shadow model by those that are no part of its pair, ``(S, N)``; None where there are too few.
    """

    attack: str
    target: str
    own: Tensor
    retrained: Tensor | None
    in_turn: Tensor | None

    def shown(self, values: Tensor) -> Tensor:
        """Answers as people read them: of U-LiRA probabilities, which are too close to 1 to be ranked."""
        return values.sigmoid() if self.attack == "U-LiRA" else values


@dataclass(frozen=True)
class Finding:
    """How well one attack tells images that were seen from images that were not.

    Attributes:
        attack: Its name.
        target: What it attacks, ``original`` or ``model``; or ``retrained``, as a control.
        against: Who says what unseen images look like: ``retrained``, or ``shadow models``, each attacked in turn,
            which then also stand for the original or the model.
        metrics: ``auc``; ``tpr_at_1_fpr``, ``tpr_at_0.1_fpr`` and ``accuracy`` in percent, where defined; ``mean``, and
            ``mean_unseen``, of the answers, which are probabilities for U-LiRA.
        interval: 95 % bootstrap interval of the AUC, over images.
    """

    attack: str
    target: str
    against: str
    metrics: dict[str, float]
    interval: tuple[float, float]


def attacks(evidence: Evidence) -> list[AttackScores]:
    """LiRA and RMIA on the original, U-LiRA and RMIA on the model.

    Before unlearning a shadow model saw an image or it did not. Afterwards it unlearned the image, or it is compared as
    it was before, never having seen it [1].

    Our readings: LiRA on a classifier asks about the one clean image, where its paper averages over augmented views;
    and a model that never saw an image is a shadow original, which did see the other half of the images to forget.

    References:
        [1] Hayes et al., Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy, arXiv
            2403.01218
    """
    found = []
    stages = (("original", evidence.originals, evidence.original), ("model", evidence.unlearned, evidence.model))
    for target, after, own in stages:
        shadows = after._replace(images=after.images.where(evidence.seen, evidence.originals.images))
        found += [_ratio(target, shadows, own, evidence), _relative(target, shadows, own, evidence)]
    return found


def _ratio(target: str, shadows: Scores, own: Scores, evidence: Evidence) -> AttackScores:
    def attack(scores: Tensor, others: Tensor, seen: Tensor) -> Tensor:
        return gaussian_ratio(scores, others, seen, evidence.pooled)

    seen, pairs = evidence.seen, torch.arange(len(evidence.seen)) // 2
    known = None if evidence.retrained is None else attack(evidence.retrained.images, shadows.images, seen)
    turns = leave_one_out(attack, shadows.images, seen, groups=pairs) if len(seen) >= LEAST_IN_TURN else None
    return AttackScores(
        "LiRA" if target == "original" else "U-LiRA", target, attack(own.images, shadows.images, seen), known, turns
    )


def _relative(target: str, shadows: Scores, own: Scores, evidence: Evidence) -> AttackScores:
    seen, pairs = evidence.seen, torch.arange(len(evidence.seen)) // 2
    before, after = evidence.originals.probabilities(), shadows.probabilities()

    def attack(found: Scores) -> Tensor:
        model = found.probabilities()
        return relative_membership(model.images, after.images, seen, model.population, before.population)

    def both(scores: Tensor, others: Tensor, seen: Tensor, own: Tensor, population: Tensor) -> Tensor:
        return torch.stack([relative_membership(scores, others, seen, z, population[:, 0]) for z in own])

    # An image that was seen is compared with what the model says of the population now, another with what it said then
    populations = torch.stack([before.population, after.population], dim=1)
    turns = leave_one_out(both, after.images, seen, populations, pairs)
    known = None if evidence.retrained is None else attack(evidence.retrained)
    return AttackScores("RMIA", target, attack(own), known, turns[:, 1].where(seen, turns[:, 0]))


def by_pair(values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Of each pair of shadow models the one that saw an image, and the one that did not.

    Args:
        values: ``(S, N)``.
        seen: ``(S, N)`` bool; of models 2 j and 2 j + 1 one saw an image.

    Returns:
        Two tensors ``(S / 2, N)``.

    Example:
        >>> by_pair(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[True, False], [False, True]]))
        (tensor([[1., 4.]]), tensor([[3., 2.]]))
    """
    first, second = values[::2], values[1::2]
    return first.where(seen[::2], second), second.where(seen[::2], first)


def findings(answers: AttackScores, seen: Tensor) -> list[Finding]:
    """How well an attack separates, by each set of unseen images that there is.

    Args:
        answers: Of one attack on one target.
        seen: Whether a shadow model saw an image, ``(S, N)`` bool.
    """
    return [
        Finding(answers.attack, target, against, _metrics(answers, seen_ones, others), _interval(seen_ones, others))
        for target, against, seen_ones, others in _sets(answers, seen)
    ]


def _sets(answers: AttackScores, seen: Tensor) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    if answers.retrained is not None:
        yield answers.target, "retrained", answers.own[None], answers.retrained[None]
    if answers.in_turn is None:
        return
    members, others = by_pair(answers.in_turn, seen)
    yield answers.target, "shadow models", members, others
    if answers.retrained is not None and answers.attack != "RMIA":
        # What an attack says of a model that saw nothing: not 0.5 where shadow models are unlike it
        yield "retrained", "shadow models", answers.retrained[None], others


def _metrics(answers: AttackScores, members: Tensor, others: Tensor) -> dict[str, float]:
    members, others = members.flatten(), others.flatten()
    metrics = {"auc": membership_auc(members, others).item()}
    metrics |= {
        key: 100 * tpr_at_fpr(members, others, rate).item() for key, rate in _RATES.items() if rate * len(others) >= 1
    }
    if answers.attack != "RMIA":  # a log ratio of 0 is a probability of one half
        metrics["accuracy"] = 50 * ((members > 0).double().mean() + (others <= 0).double().mean()).item()
    means = {"mean": members, "mean_unseen": others}
    return metrics | {name: answers.shown(values).mean().item() for name, values in means.items()}


def _interval(members: Tensor, others: Tensor) -> tuple[float, float]:
    """Of the AUC: images are drawn anew, each with all that is known of it, since models answer alike on one image."""
    images = members.shape[1]
    ranked, order = others.flatten().sort()
    # Ranked once: in a draw, an answer counts as often as its image was drawn
    below, not_above = (torch.searchsorted(ranked, members.flatten(), right=right) for right in (False, True))

    def auc(rows: Tensor) -> Tensor:
        drawn = torch.zeros(len(rows), images, dtype=torch.float64)
        drawn.scatter_add_(1, rows, torch.ones_like(rows, dtype=torch.float64))
        outdone = pad(drawn[:, order % images].cumsum(1), (1, 0))
        wins = (outdone[:, below] + outdone[:, not_above]).view(len(rows), -1, images).sum(1)
        return (wins * drawn).sum(1) / (2 * members.numel() * others.numel())

    def aucs(rows: Tensor, _: Tensor) -> Tensor:
        portion = max(1, _NUMBERS // max(members.numel(), others.numel()))
        return torch.cat([auc(rows[start : start + portion]) for start in range(0, len(rows), portion)])

    return bootstrap_interval(aucs, torch.arange(images), torch.zeros(1))


def distances(evidence: Evidence) -> dict[str, Tensor]:
    """KLOM of each image: how far shadow models that saw it are from those that never did.

    Our readings: models that never saw an image are the shadow originals without it, which did see the other half of
    the images to forget, where the paper retrains without any of them; and the divergence goes from models that saw
    the image to those that did not.

    Returns:
        ``(N,)`` each. ``model``: after they unlearned it. ``original``: before. ``model_chance`` and
        ``original_chance``: what so few models show in that comparison where nothing is different, by the mean over
        random exchanges of the two in each pair.
    """
    before, never = by_pair(evidence.originals.images, evidence.seen)
    after, _ = by_pair(evidence.unlearned.images, evidence.seen)
    found: dict[str, Tensor] = {}
    for name, saw in (("original", before), ("model", after)):
        found |= {name: klom(saw, never), f"{name}_chance": _chance(saw, never)}
    return found


def _chance(saw: Tensor, never: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(_SWAPS):
        swapped = torch.rand(saw.shape, generator=generator) < 0.5
        found.append(klom(saw.where(swapped, never), never.where(swapped, saw)))
    return torch.stack(found).mean(0)
