"""Membership attacks with shadow models, LiRA, U-LiRA and RMIA, and KLOM, computed from scores without a model.

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

MIN_UNPOOLED = 32
"""With fewer shadow models than this the attacks pool variances over all images."""
MIN_LEAVE_ONE_OUT = 6
"""Minimum for leave-one-out: a variance needs two shadow models of a kind without a model and its partner."""
_RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_0.1_fpr": 0.001}
_SWAPS = 20
_NUMBERS = 2**21  # numbers per chunk of the bootstrap


@dataclass(frozen=True)
class Evidence:
    """Scores of all models on the images to forget and on the test images.

    Attributes:
        seen: Whether a shadow model saw, and then unlearned, an image, ``(S, N)`` bool; one of models 2 j and 2 j + 1
            saw it.
        originals: Scores of the shadow models before unlearning.
        unlearned: Scores of the shadow models after unlearning.
        original: Scores of the target before unlearning.
        model: Scores of the target after unlearning.
        retrained: Scores of the reference that never saw the images; None without a reference.
    """

    seen: Tensor
    originals: Scores
    unlearned: Scores
    original: Scores
    model: Scores
    retrained: Scores | None = None

    @property
    def pooled(self) -> bool:
        """Whether variances are pooled over all images."""
        return len(self.seen) < MIN_UNPOOLED


@dataclass(frozen=True)
class AttackScores:
    """Scores of one attack per image; a higher score means that the model more likely saw (or unlearned) the image.

    Attributes:
        attack: LiRA, U-LiRA or RMIA; log ratios for the first two.
        target: Which model is attacked, ``original`` or ``model``.
        own: Scores of the target, ``(N,)``.
        retrained: Scores of the retrained model, ``(N,)``; None without a reference.
        in_turn: Scores of each shadow model by all others but its partner, ``(S, N)``; None if there are too few.
    """

    attack: str
    target: str
    own: Tensor
    retrained: Tensor | None
    in_turn: Tensor | None

    def shown(self, values: Tensor) -> Tensor:
        """Scores as reported: U-LiRA's as probabilities, which are too close to 1 to rank by."""
        return values.sigmoid() if self.attack == "U-LiRA" else values


@dataclass(frozen=True)
class Finding:
    """How well one attack separates seen from unseen images.

    Attributes:
        attack: Name of the attack.
        target: Attacked model, ``original`` or ``model``; or ``retrained``, as a control.
        against: Source of the scores of unseen images: ``retrained``, or ``shadow models``, each attacked in turn;
            these then also stand in for the original or the model.
        metrics: ``auc``; ``tpr_at_1_fpr``, ``tpr_at_0.1_fpr`` and ``accuracy`` in percent, where defined; ``mean``, and
            ``mean_unseen``, of the scores, which are probabilities for U-LiRA.
        interval: 95 % bootstrap interval of the AUC, over images.
    """

    attack: str
    target: str
    against: str
    metrics: dict[str, float]
    interval: tuple[float, float]


def attacks(evidence: Evidence) -> list[AttackScores]:
    """LiRA and RMIA on the original, U-LiRA and RMIA on the model.

    Before unlearning a shadow model saw an image or did not. After unlearning the attack compares shadow models that
    unlearned the image with shadow originals that never saw it [1].

    Deviations from the papers: LiRA on a classifier scores the clean image only, where its paper averages over views;
    and a model that never saw an image is a shadow original, which did see the other half of the images to forget.

    References:
        [1] Hayes et al., Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy, arXiv
            2403.01218
    """
    scores = []
    stages = (("original", evidence.originals, evidence.original), ("model", evidence.unlearned, evidence.model))
    for target, after, own in stages:
        shadows = after._replace(images=after.images.where(evidence.seen, evidence.originals.images))
        scores += [_lira(target, shadows, own, evidence), _rmia(target, shadows, own, evidence)]
    return scores


def _lira(target: str, shadows: Scores, own: Scores, evidence: Evidence) -> AttackScores:
    def attack(scores: Tensor, others: Tensor, seen: Tensor) -> Tensor:
        return gaussian_ratio(scores, others, seen, evidence.pooled)

    seen, pairs = evidence.seen, torch.arange(len(evidence.seen)) // 2
    known = None if evidence.retrained is None else attack(evidence.retrained.images, shadows.images, seen)
    turns = leave_one_out(attack, shadows.images, seen, groups=pairs) if len(seen) >= MIN_LEAVE_ONE_OUT else None
    return AttackScores(
        "LiRA" if target == "original" else "U-LiRA", target, attack(own.images, shadows.images, seen), known, turns
    )


def _rmia(target: str, shadows: Scores, own: Scores, evidence: Evidence) -> AttackScores:
    seen, pairs = evidence.seen, torch.arange(len(evidence.seen)) // 2
    before, after = evidence.originals.probabilities(), shadows.probabilities()

    def attack(target_scores: Scores) -> Tensor:
        model = target_scores.probabilities()
        return relative_membership(model.images, after.images, seen, model.population, before.population)

    def both(scores: Tensor, others: Tensor, seen: Tensor, own: Tensor, population: Tensor) -> Tensor:
        return torch.stack([relative_membership(scores, others, seen, z, population[:, 0]) for z in own])

    # A seen image is compared with the population after unlearning, an unseen one with the population before
    populations = torch.stack([before.population, after.population], dim=1)
    turns = leave_one_out(both, after.images, seen, populations, pairs)
    known = None if evidence.retrained is None else attack(evidence.retrained)
    return AttackScores("RMIA", target, attack(own), known, turns[:, 1].where(seen, turns[:, 0]))


def by_pair(values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Split each pair of shadow models into the one that saw an image and the one that did not.

    Args:
        values: ``(S, N)``.
        seen: ``(S, N)`` bool; one of models 2 j and 2 j + 1 saw an image.

    Returns:
        Values of the models that saw an image and of those that did not, each ``(S / 2, N)``.

    Example:
        >>> by_pair(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[True, False], [False, True]]))
        (tensor([[1., 4.]]), tensor([[3., 2.]]))
    """
    first, second = values[::2], values[1::2]
    return first.where(seen[::2], second), second.where(seen[::2], first)


def evaluate_attack(answers: AttackScores, seen: Tensor) -> list[Finding]:
    """Evaluate an attack against each available set of scores of unseen images.

    Args:
        answers: Scores of one attack on one target.
        seen: Whether a shadow model saw an image, ``(S, N)`` bool.
    """
    return [
        Finding(answers.attack, target, against, _metrics(answers, members, others), _interval(members, others))
        for target, against, members, others in _seen_and_unseen(answers, seen)
    ]


def _seen_and_unseen(answers: AttackScores, seen: Tensor) -> Iterator[tuple[str, str, Tensor, Tensor]]:
    if answers.retrained is not None:
        yield answers.target, "retrained", answers.own[None], answers.retrained[None]
    if answers.in_turn is None:
        return
    members, others = by_pair(answers.in_turn, seen)
    yield answers.target, "shadow models", members, others
    if answers.retrained is not None and answers.attack != "RMIA":
        # A control, a model that saw no image: its AUC is not 0.5 if the shadow models are unlike it
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
    """Bootstrap interval of the AUC over images, each with all its scores, as models' scores of an image correlate."""
    images = members.shape[1]
    ranked, order = others.flatten().sort()
    # Ranks once: in a resample the weight of a score is the number of times that its image was drawn
    below, not_above = (torch.searchsorted(ranked, members.flatten(), right=right) for right in (False, True))

    def auc(rows: Tensor) -> Tensor:
        drawn = torch.zeros(len(rows), images, dtype=torch.float64)
        drawn.scatter_add_(1, rows, torch.ones_like(rows, dtype=torch.float64))
        lower = pad(drawn[:, order % images].cumsum(1), (1, 0))
        wins = (lower[:, below] + lower[:, not_above]).view(len(rows), -1, images).sum(1)
        return (wins * drawn).sum(1) / (2 * members.numel() * others.numel())

    def aucs(rows: Tensor, _: Tensor) -> Tensor:
        chunk = max(1, _NUMBERS // max(members.numel(), others.numel()))
        return torch.cat([auc(rows[start : start + chunk]) for start in range(0, len(rows), chunk)])

    return bootstrap_interval(aucs, torch.arange(images), torch.zeros(1))


def distances(evidence: Evidence) -> dict[str, Tensor]:
    """KLOM of each image: divergence of the scores of shadow models that saw it from those of models that did not.

    Deviations from the paper: models that never saw an image are the shadow originals without it, which did see the
    other half of the images to forget, where the paper retrains without any of them; and the divergence goes from
    models that saw the image to those that did not.

    Returns:
        ``(N,)`` each. ``model``: after they unlearned it. ``original``: before. ``model_chance`` and
        ``original_chance``: the value expected from so few models without any difference, the mean over random swaps
        within each pair.
    """
    before, never = by_pair(evidence.originals.images, evidence.seen)
    after, _ = by_pair(evidence.unlearned.images, evidence.seen)
    values: dict[str, Tensor] = {}
    for name, saw in (("original", before), ("model", after)):
        values |= {name: klom(saw, never), f"{name}_chance": _chance_level(saw, never)}
    return values


def _chance_level(saw: Tensor, never: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    divergences = []
    for _ in range(_SWAPS):
        swapped = torch.rand(saw.shape, generator=generator) < 0.5
        divergences.append(klom(saw.where(swapped, never), never.where(swapped, saw)))
    return torch.stack(divergences).mean(0)
