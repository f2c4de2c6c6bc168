"""Can an attacker who sees class probabilities tell which images the model was trained on?

References:
    [1] Song & Mittal, Systematic Evaluation of Privacy Risks of Machine Learning Models, USENIX Security 2021, arXiv
        2003.10595
    [2] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv 2406.03603
    [3] Ye et al., Enhanced Membership Inference Attacks against Machine Learning Models, CCS 2022, arXiv 2111.09679
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.audits.membership import Interval, separation, separation_intervals
from unlearning_pl.functional.confidence import confidence, correctness, entropy, modified_entropy, scaled_logit
from unlearning_pl.functional.learned_attacks import svc_attack
from unlearning_pl.functional.threshold_attack import by_rank, equal_sizes
from unlearning_pl.types import Split

_LEAST = 1e-300  # a probability of 0 has no logarithm
_FEATURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "classifier_mi": confidence,
    "classifier_mi_correctness": correctness,
    "classifier_mi_entropy": entropy,
    "classifier_mi_modified_entropy": modified_entropy,
    "classifier_mi_probabilities": lambda probabilities, _: probabilities,
}


def true_class(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """Probability of the true class of each image, ``(N,)`` by split.

    Example:
        >>> true_class({}, {})
        {}
    """
    return {split: confidence(said, splits[split].target) for split, said in probabilities.items()}


def confidence_attacks(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[str, float]:
    """What membership attacks on class probabilities find out.

    Args:
        splits: What the model says of each split.
        probabilities: Of its classes, or of a linear probe's, as MUC audits encoders [2].

    Returns:
        Percent of the forget images that a support vector machine takes for unseen, fitted on retain (members) against
        test (non-members) in equal numbers, each where its images exist: ``classifier_mi`` by the probability of the
        true class (CMIA), ``classifier_mi_correctness``, ``_entropy``, ``_modified_entropy`` [1] and
        ``_probabilities``.

    Example:
        >>> confidence_attacks({}, {})
        {}
    """
    if not {"forget", "retain", "test"} <= probabilities.keys():
        return {}
    found = {}
    for key, feature in _FEATURES.items():
        seen = {split: feature(said, splits[split].target) for split, said in probabilities.items()}
        cut = by_rank if seen["forget"].ndim == 1 else equal_sizes
        found[key] = float(svc_attack(seen["forget"], *cut(seen["retain"], seen["test"])))
    return found


def population_attack(
    splits: BySplit, probabilities: Mapping[Split, Tensor]
) -> tuple[dict[str, float], dict[str, Interval]]:
    """What the loss of the true class tells alone: the population attack [3].

    An image is called a member when its cross-entropy is below a quantile of the test images' (the population); over
    all quantiles that is an ROC curve.

    Returns:
        ``population_auc`` and, with enough test images, ``population_tpr_at_1_fpr`` and
        ``population_tpr_at_0.1_fpr``; and their 95 % intervals. Nothing where there is one class.

    Example:
        >>> population_attack({}, {})
        ({}, {})
    """
    if not {"forget", "test"} <= probabilities.keys() or probabilities["forget"].shape[1] < 2:
        return {}, {}
    # The log odds have the order of the loss, and tell apart what a probability rounds to 1.
    scores = {s: scaled_logit(p.clamp(min=_LEAST).log(), splits[s].target) for s, p in probabilities.items()}
    pair = scores["forget"], scores["test"]
    return (
        {f"population_{key}": value for key, value in separation(*pair).items()},
        {f"population_{key}": value for key, value in separation_intervals(*pair).items()},
    )
