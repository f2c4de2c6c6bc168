"""Metrics of each step's own forget images, for images forgotten by several runs."""

from collections.abc import Mapping, Sequence

from torch import Tensor, isin

from unlearning_pl.audits.alignment import forget_alignment
from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.audits.image_text import pair_membership, retrieval
from unlearning_pl.audits.membership import Scores, membership
from unlearning_pl.audits.probes import accuracies
from unlearning_pl.types import Split

STEP_METRICS = (
    "forget_accuracy",
    "encoder_mi",
    "membership_auc",
    "forget_recall",
    "pair_mi",
    "pair_membership_auc",
    "forget_alignment",
)
"""Metrics that are also computed for each step's own forget images, if they are defined."""


def step_metrics(
    splits: BySplit, scores: Scores, hits: Mapping[Split, Tensor], steps: Sequence[Tensor]
) -> tuple[dict[str, float], ...]:
    """Compute the metrics of each step's own forget images, against the same retain and test images.

    The threshold of the attack and the linear probe are those of the whole audit.

    Args:
        splits: The model's embeddings by split.
        scores: Membership scores by split, see :func:`unlearning_pl.audits.membership.membership_scores`.
        hits: Correctly classified images by split, see :func:`unlearning_pl.audits.probes.named_correctly`.
        steps: Positions of the forget images of each step, oldest first.

    Returns:
        For each step ``count``, its number of images, and the defined metrics of :data:`STEP_METRICS`; empty for one
        step.

    Example:
        >>> step_metrics({}, {}, {}, [])
        ()
    """
    if len(steps) < 2 or "forget" not in splits:
        return ()
    results = []
    for step in steps:
        rows = isin(splits["forget"].index, step)
        step_splits: BySplit = {**splits, "forget": splits["forget"].take(rows)}
        metrics = {
            **accuracies({"forget": hits["forget"][rows]} if "forget" in hits else {}),
            **membership({**scores, "forget": scores["forget"][rows]}),
            **pair_membership(step_splits)[0],
            **retrieval({split: embeddings for split, embeddings in step_splits.items() if split != "retain"}),
            **forget_alignment(step_splits),
        }
        results.append({"count": int(rows.sum()), **{key: metrics[key] for key in STEP_METRICS if key in metrics}})
    return tuple(results)
