"""Shadow-model attacks and metrics: LiRA, U-LiRA, RMIA and KLOM.

Shadow models are trained like the target model, some with an image and some without. Letters: N images, S shadow
models, Z images of a population that no model was trained on, U unlearned and R retrained models.

References:
    [1] Carlini et al., Membership Inference Attacks From First Principles, S&P 2022, arXiv 2112.03570
    [2] Hayes et al., Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy, arXiv
        2403.01218
    [3] Zarifzadeh et al., Low-Cost High-Power Membership Inference Attacks, ICML 2024, arXiv 2312.03262
    [4] Georgiev et al., Attribute-to-Delete: Machine Unlearning via Datamodel Matching, arXiv 2410.23232
"""

from collections.abc import Callable

import torch
from torch import Tensor

MIN_VARIANCE = 1e-8
"""Lower bound of the variance: without it rounding errors decide for shadow models that agree."""
SMOOTHING = 1e-5
"""Added to the frequency of each bin, so that the logarithm of an empty one is finite."""


def gaussian_ratio(target: Tensor, scores: Tensor, seen: Tensor, pooled_variance: bool = False) -> Tensor:
    r"""LiRA: log-likelihood ratio of a score under shadow models trained with and without the image [1].

    .. math:: r_n = \log \mathcal{N}(t_n; \mu_n^{in}, \sigma_n^{in})
        - \log \mathcal{N}(t_n; \mu_n^{out}, \sigma_n^{out})

    Mean and variance of each image are those of its shadow models; variances are unbiased and at least
    :data:`MIN_VARIANCE`. Few shadow models estimate a variance poorly: the paper then shares one variance over all
    images, here that of the scores around the mean of their own image.

    Args:
        target: Score of each image by the target model, ``(N,)``, ideally one that is normally distributed over models,
            see :func:`unlearning_pl.functional.confidence.scaled_logit`.
        scores: The same by each shadow model, ``(S, N)``.
        seen: Whether that shadow model saw that image, ``(S, N)`` bool.
        pooled_variance: Share one variance over all images among the models that saw them, one among the others.

    Returns:
        ``(N,)``; above 0 for an image that the model probably saw.

    Raises:
        ValueError: Shapes that do not match, or an image with fewer than two shadow models that saw it, or that did not
            (pooled: fewer than one, or no image with two).

    Example:
        >>> scores, seen = torch.tensor([[4.0], [2.0], [1.0], [-1.0]]), torch.tensor([[True], [True], [False], [False]])
        >>> gaussian_ratio(torch.tensor([3.0]), scores, seen)
        tensor([2.2500])
    """
    _check_scores(target, scores, seen)
    values = target.double()
    likelihoods = [_log_density(values, scores.double(), mask, pooled_variance) for mask in (seen, ~seen)]
    return (likelihoods[0] - likelihoods[1]).to(target.dtype)


def unlearned_probability(target: Tensor, scores: Tensor, seen: Tensor, pooled_variance: bool = False) -> Tensor:
    r"""U-LiRA: probability that a model saw and unlearned the image, rather than never having seen it [2].

    .. math:: p_n = \frac{\mathcal{N}(t_n; unlearned)}{\mathcal{N}(t_n; unlearned) + \mathcal{N}(t_n; never\ seen)}
        = \mathrm{sigmoid}(r_n)

    Args:
        target: Score of each image by the target model, ``(N,)``.
        scores: The same by each shadow model, ``(S, N)``.
        seen: Whether that shadow model saw and unlearned that image, ``(S, N)`` bool; else it never saw it.
        pooled_variance: See :func:`gaussian_ratio`.

    Returns:
        ``(N,)`` in [0, 1]; 0.5 if unlearning left no trace.

    Raises:
        ValueError: As :func:`gaussian_ratio`.

    Example:
        >>> scores, seen = torch.tensor([[4.0], [2.0], [1.0], [-1.0]]), torch.tensor([[True], [True], [False], [False]])
        >>> unlearned_probability(torch.tensor([1.5]), scores, seen)
        tensor([0.5000])
    """
    return gaussian_ratio(target, scores, seen, pooled_variance).sigmoid()


def relative_membership(
    target_x: Tensor,
    reference_x: Tensor,
    seen_x: Tensor,
    target_z: Tensor,
    reference_z: Tensor,
    offset: float = 0.3,
    gamma: float = 1.0,
) -> Tensor:
    r"""RMIA: fraction of a population whose likelihood ratio an image's ratio exceeds [3].

    .. math:: s_n = \frac{1}{Z} \sum_z \Big[ \frac{p_t(x_n) / p(x_n)}{p_t(z) / p(z)} > \gamma \Big], \quad
        p(x) = \frac{1 + a}{2} \bar p_{out}(x) + \frac{1 - a}{2}

    :math:`\bar p_{out}` is the mean over the shadow models that did not see the image; for the population, over all.

    Args:
        target_x: Probability of the true class of each image by the target model, ``(N,)`` in [0, 1].
        reference_x: The same by each shadow model, ``(S, N)``.
        seen_x: Whether that shadow model saw that image, ``(S, N)`` bool.
        target_z: Probability of the true class of each image of the population, ``(Z,)``.
        reference_z: The same by each shadow model, ``(S, Z)``.
        offset: Offset a, in [0, 1].
        gamma: Threshold of the ratio between the image and an image of the population.

    Returns:
        ``(N,)`` in [0, 1]; high for an image that the model saw.

    Raises:
        ValueError: Shapes that do not match, an empty population, or an image that every shadow model saw.

    Example:
        >>> seen = torch.tensor([[True, True], [False, False]])
        >>> reference, population = torch.tensor([[0.9, 0.9], [0.5, 0.5]]), torch.tensor([0.4, 0.6, 0.5])
        >>> relative_membership(torch.tensor([0.9, 0.45]), reference, seen, population, population.expand(2, 3))
        tensor([1.0000, 0.3333])
    """
    _check_scores(target_x, reference_x, seen_x)
    _check_scores(target_z, reference_z, reference_z)
    unseen = _require_count((~seen_x).sum(0), 1, "shadow models that did not see it")
    expected_x = reference_x.double().where(~seen_x, 0).sum(0) / unseen
    expected_z = reference_z.double().mean(0)
    gain_x, gain_z = (
        values.double() / ((1 + offset) / 2 * expected + (1 - offset) / 2)
        for values, expected in ((target_x, expected_x), (target_z, expected_z))
    )
    # Sorting the population once avoids N x Z comparisons.
    exceeded = torch.searchsorted((gamma * gain_z).sort().values, gain_x)
    return (exceeded / len(gain_z)).to(target_x.dtype)


def leave_one_out(
    attack: Callable[..., Tensor],
    scores: Tensor,
    seen: Tensor,
    population: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Leave-one-out: attack each shadow model by all others, to measure an attack without further models.

    Leaving out a single model biases the mean of its own group: chance falls below an AUC of 0.5 (to 0.41 with four
    models, 0.47 with eight). Leaving out models with complementary halves together keeps both groups equal, and chance
    at 0.5.

    Args:
        attack: Function of ``(target, scores, seen)`` such as :func:`gaussian_ratio`; with a population, also of its
            scores by the target and by the others, such as :func:`relative_membership`. Returns ``(N,)``.
        scores: Score of each image by each shadow model, ``(S, N)``.
        seen: Whether that shadow model saw that image, ``(S, N)`` bool.
        population: Score of each image of a population by each shadow model, ``(S, Z)``.
        groups: Group that each shadow model is left out with, ``(S,)``; each model alone, if None.

    Returns:
        Scores of the attack, ``(S, N)``: those with ``seen`` against those without give the attack's AUC.

    Raises:
        ValueError: If the attack raises it.

    Example:
        >>> scores = torch.tensor([[3.0], [4.0], [5.0], [-1.0], [0.0], [1.0]])
        >>> leave_one_out(gaussian_ratio, scores, scores > 2)[:, 0]
        tensor([  2.5966,   7.6534,  10.5966, -10.5966,  -7.6534,  -2.5966])
    """
    attack_scores, group_ids = [], torch.arange(len(scores), device=scores.device) if groups is None else groups
    for shadow in range(len(scores)):
        others = group_ids != group_ids[shadow]
        extra = () if population is None else (population[shadow], population[others])
        attack_scores.append(attack(scores[shadow], scores[others], seen[others], *extra))
    return torch.stack(attack_scores)


def klom(unlearned: Tensor, retrained: Tensor, bins: int = 20, clip: float = 100.0) -> Tensor:
    r"""KLOM: KL divergence between the margins of unlearned and of retrained models, per image [4].

    .. math:: d_n = \sum_b p_{nb} \log \frac{p_{nb}}{q_{nb}}

    p and q are the fractions of the unlearned and of the retrained models in each of equal bins over the range of both,
    with :data:`SMOOTHING` added to each bin and renormalised. The epsilon and the direction of the divergence are our
    reading of the authors' definition.

    Args:
        unlearned: Margin of each image by each unlearned model, ``(U, N)``, see
            :func:`unlearning_pl.functional.confidence.scaled_logit`; NaN excludes a model for an image, as in
            ``scores.where(seen, torch.nan)`` for models that unlearned different images.
        retrained: Margin by each retrained model, ``(R, N)``; NaN excludes a model likewise.
        bins: Number of bins.
        clip: Largest absolute margin; margins are clamped to it.

    Returns:
        ``(N,)`` in nats, at least 0; 0 if both distributions are equal.

    Raises:
        ValueError: Shapes that do not match, or an image for which all models are excluded.

    Example:
        >>> klom(torch.tensor([[1.0, 1.0], [3.0, 3.0]]), torch.tensor([[1.0, 1.0], [3.0, 1.0]]), bins=2)
        tensor([0.0000, 5.0633])
    """
    if unlearned.ndim != 2 or retrained.ndim != 2 or unlearned.shape[1] != retrained.shape[1]:
        raise ValueError(
            f"Expected margins (U, N) and (R, N), got {tuple(unlearned.shape)} and {tuple(retrained.shape)}. "
            "Evaluate all models on the same images."
        )
    margins = [values.double().clamp(-clip, clip) for values in (unlearned, retrained)]
    all_margins = torch.cat(margins)
    low, high = all_margins.nan_to_num(torch.inf).amin(0), all_margins.nan_to_num(-torch.inf).amax(0)
    p, q = (_bin_fractions(values, low, high, bins) for values in margins)
    return (p * (p / q).log()).sum(0).to(unlearned.dtype)


def _bin_fractions(margins: Tensor, low: Tensor, high: Tensor, bins: int) -> Tensor:
    """Smoothed fraction of the models in each bin, ``(bins, N)``."""
    included = margins.isfinite()
    models = _require_count(included.sum(0), 1, "models that count for it")
    bin_position = (margins.nan_to_num() - low) / (high - low).clamp_min(torch.finfo(margins.dtype).tiny) * bins
    rows = bin_position.long().clamp(0, bins - 1)
    counts = torch.zeros(bins, margins.shape[1], dtype=margins.dtype, device=margins.device)
    fractions = counts.scatter_add_(0, rows, included.to(margins.dtype)) / models
    return (fractions + SMOOTHING) / (1 + bins * SMOOTHING)


def _log_density(target: Tensor, scores: Tensor, mask: Tensor, pooled: bool) -> Tensor:
    """Log density of the target under a normal distribution fitted to each image's masked scores, up to a constant."""
    count = _require_count(mask.sum(0), 1 if pooled else 2, "shadow models that saw it, and as many that did not")
    mean = scores.where(mask, 0).sum(0) / count
    squares = (scores - mean).square().where(mask, 0).sum(0)
    degrees = _require_count((count - 1).sum(), 1, "shadow models of a kind beyond the first") if pooled else count - 1
    variance = ((squares.sum() if pooled else squares) / degrees).clamp_min(MIN_VARIANCE)
    return -0.5 * (variance.log() + (target - mean).square() / variance)


def _require_count(count: Tensor, least: int, what: str) -> Tensor:
    if int(count.min()) < least:
        raise ValueError(f"Expected for every image {least} or more {what}, got {int(count.min())}. Train more.")
    return count


def _check_scores(target: Tensor, scores: Tensor, seen: Tensor) -> None:
    if scores.ndim != 2 or target.shape != scores.shape[1:] or seen.shape != scores.shape or not scores.numel():
        raise ValueError(
            "Expected scores (N,) of the model and (S, N) of its shadow models, each of one or more, "
            f"got {tuple(target.shape)}, {tuple(scores.shape)} and {tuple(seen.shape)}. "
            "Evaluate all models on the same images."
        )
