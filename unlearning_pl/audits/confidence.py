"""Membership inference from class probabilities (black-box with confidence scores).

References:
    [1] Song & Mittal, Systematic Evaluation of Privacy Risks of Machine Learning Models, USENIX Security 2021, arXiv
        2003.10595
    [2] Wang, Lu et al., MUC: Machine Unlearning for Contrastive Learning with Black-box Evaluation, arXiv 2406.03603
    [3] Ye et al., Enhanced Membership Inference Attacks against Machine Learning Models, CCS 2022, arXiv 2111.09679
"""

from collections.abc import Callable, Mapping

from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.audits.membership import Interval, roc_intervals, roc_metrics
from unlearning_pl.functional.confidence import confidence, correctness, entropy, modified_entropy, scaled_logit
from unlearning_pl.functional.learned_attacks import svc_attack
from unlearning_pl.functional.threshold_attack import equal_sizes, equal_sizes_by_rank
from unlearning_pl.types import Split

GROUPS = 1000
"""Rows of each side that a support vector machine of an audit is fitted on; more images are grouped to so many."""
_TINY = 1e-300  # a probability of 0 has no logarithm
_FEATURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "classifier_mi": confidence,
    "classifier_mi_correctness": correctness,
    "classifier_mi_entropy": entropy,
    "classifier_mi_modified_entropy": modified_entropy,
    "classifier_mi_probabilities": lambda probabilities, _: probabilities,
}


def true_class_probability(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[Split, Tensor]:
    """Probability of the true class of each image, ``(N,)`` by split.

    Example:
        >>> true_class_probability({}, {})
        {}
    """
    return {split: confidence(values, splits[split].target) for split, values in probabilities.items()}


def confidence_attacks(splits: BySplit, probabilities: Mapping[Split, Tensor]) -> dict[str, float]:
    """Membership inference attacks (MIA) on class probabilities.

    Args:
        splits: The model's embeddings by split.
        probabilities: Class probabilities by split, of the model or of a linear probe, as MUC audits encoders [2].

    Returns:
        Percent of the forget images that a support vector machine classifies as non-members, fitted on retain (members)
        against test (non-members) in equal numbers; higher means more forgotten, up to the retrained model's value. One
        value per feature of an image: ``classifier_mi``, the probability of the true class (CMIA);
        ``classifier_mi_correctness``, ``classifier_mi_entropy`` and ``classifier_mi_modified_entropy`` [1];
        ``classifier_mi_probabilities``, all class probabilities. Empty without forget, retain or test images.

        More than :data:`GROUPS` images of a side are replaced by as many weighted means of near ones, which bounds the
        time, see :func:`unlearning_pl.functional.weighted_groups.weighted_groups`; below that nothing is approximated.

    Example:
        >>> confidence_attacks({}, {})
        {}
    """
    if not {"forget", "retain", "test"} <= probabilities.keys():
        return {}
    metrics = {}
    for key, feature in _FEATURES.items():
        features = {split: feature(values, splits[split].target) for split, values in probabilities.items()}
        equal_sizes_by = equal_sizes_by_rank if features["forget"].ndim == 1 else equal_sizes
        known = equal_sizes_by(features["retain"], features["test"])
        metrics[key] = float(svc_attack(features["forget"], *known, groups=GROUPS))
    return metrics


def population_attack(
    splits: BySplit, probabilities: Mapping[Split, Tensor]
) -> tuple[dict[str, float], dict[str, Interval]]:
    """Population attack: threshold the cross-entropy of the true class by quantiles of the test images' [3].

    An image is classified as a member if its cross-entropy is below a quantile of the test images' (the population);
    all quantiles together give an ROC curve of forget against test.

    Returns:
        ``population_auc`` in [0, 1] and, with enough test images, ``population_tpr_at_1_fpr`` and
        ``population_tpr_at_0.1_fpr`` in percent; and their 95 % intervals. Empty with a single class.

    Example:
        >>> population_attack({}, {})
        ({}, {})
    """
    if not {"forget", "test"} <= probabilities.keys() or probabilities["forget"].shape[1] < 2:
        return {}, {}
    # The log odds have the order of the loss, and distinguish probabilities that round to 1.
    scores = {s: scaled_logit(p.clamp(min=_TINY).log(), splits[s].target) for s, p in probabilities.items()}
    pair = scores["forget"], scores["test"]
    return (
        {f"population_{key}": value for key, value in roc_metrics(*pair).items()},
        {f"population_{key}": value for key, value in roc_intervals(*pair).items()},
    )
