"""Can an attacker who sees only embeddings tell which images the model was trained on?"""

from collections.abc import Mapping

from torch import Tensor

from unlearning_pl.audits.base import BySplit, filled
from unlearning_pl.functional.attacks import binned_threshold, encoder_mi, encoder_score, equal_sizes
from unlearning_pl.functional.separation import membership_auc, tpr_at_fpr
from unlearning_pl.sample import Split

Scores = Mapping[Split, Tensor]
_RATES = {"tpr_at_1_fpr": 0.01, "tpr_at_0.1_fpr": 0.001}


def membership_scores(splits: BySplit) -> dict[Split, Tensor]:
    """Membership score of every image: mean cosine similarity over all pairs of its augmented views.

    Returns:
        ``(N,)`` by split, see :func:`unlearning_pl.functional.attacks.encoder_score`; high means "trained
        on".

    Example:
        >>> membership_scores({})
        {}
    """
    return {split: encoder_score(embeddings.similarities) for split, embeddings in filled(splits).items()}


def threshold(scores: Scores) -> float | None:
    """Score from which on the attacker calls an image a member; None without retain or test images.

    Fitted on retain (members) against test (non-members), the larger cut to the size of the smaller by a
    random choice with seed 0.

    Example:
        >>> from torch import tensor
        >>> round(threshold({"retain": tensor([0.9, 0.8]), "test": tensor([0.2, 0.1])}), 3)
        0.202
    """
    if "retain" not in scores or "test" not in scores:
        return None
    return binned_threshold(*equal_sizes(scores["retain"], scores["test"])).item()


def membership(scores: Scores) -> dict[str, float]:
    """What a membership attack finds out, from the scores of :func:`membership_scores`.

    Returns:
        Each where its images exist:

        ``encoder_mi``: percent of forget images called non-members (EMIA of MUC, arXiv 2406.03603), by
        :func:`threshold`.

        ``membership_auc``: ROC AUC of forget against test, in [0, 1]; 0.5 cannot tell them apart.

        ``membership_auc_retain``: the same of retain against test, cut to equal sizes.

        ``tpr_at_1_fpr``, ``tpr_at_0.1_fpr``: percent of forget images found while 1 % (0.1 %) of test images
        are accused wrongly; not defined with fewer than 100 (1000) test images.

    Example:
        >>> from torch import tensor
        >>> scores = {"forget": tensor([0.7]), "retain": tensor([0.9, 0.8]), "test": tensor([0.2, 0.1])}
        >>> membership(scores)
        {'encoder_mi': 0.0, 'membership_auc': 1.0, 'membership_auc_retain': 1.0}
    """
    metrics: dict[str, float] = {}
    forget, retain, test = (scores.get(split) for split in ("forget", "retain", "test"))
    if forget is not None and retain is not None and test is not None:
        metrics["encoder_mi"] = encoder_mi(forget, *equal_sizes(retain, test)).item()
    if forget is not None and test is not None:
        metrics["membership_auc"] = membership_auc(forget, test).item()
        metrics |= {
            key: 100 * tpr_at_fpr(forget, test, rate).item() for key, rate in _RATES.items() if rate * len(test) >= 1
        }
    if retain is not None and test is not None:
        metrics["membership_auc_retain"] = membership_auc(*equal_sizes(retain, test)).item()
    return metrics
