"""What a model still knows of each step's own share, where images were forgotten in several runs."""

from collections.abc import Mapping, Sequence

from torch import Tensor, isin

from unlearning_pl.audits.alignment import forget_alignment
from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.audits.image_text import pair_membership, retrieval
from unlearning_pl.audits.membership import Scores, membership
from unlearning_pl.audits.probes import accuracies
from unlearning_pl.types import Split

SHARED = (
    "forget_accuracy",
    "encoder_mi",
    "membership_auc",
    "forget_recall",
    "pair_mi",
    "pair_membership_auc",
    "forget_alignment",
)
"""Metrics that are given for each step's own share as well, where they are defined."""


def each_share(
    splits: BySplit, scores: Scores, hits: Mapping[Split, Tensor], steps: Sequence[Tensor]
) -> tuple[dict[str, float], ...]:
    """Measure each step's share of the forget images alone, against the same retain and test images.

    The attacker's threshold and the probe are those of the whole audit.

    Args:
        splits: What the model says of each split.
        scores: Membership scores by split, see :func:`unlearning_pl.audits.membership.membership_scores`.
        hits: Images named correctly by split, see :func:`unlearning_pl.audits.probes.named_correctly`.
        steps: Positions of the images of each step, oldest first.

    Returns:
        For each step ``count`` and the metrics of :data:`SHARED` that are defined; nothing for a single step.

    Example:
        >>> each_share({}, {}, {}, [])
        ()
    """
    if len(steps) < 2 or "forget" not in splits:
        return ()
    shares = []
    for step in steps:
        rows = isin(splits["forget"].index, step)
        own: BySplit = {**splits, "forget": splits["forget"].take(rows)}
        found = {
            **accuracies({"forget": hits["forget"][rows]} if "forget" in hits else {}),
            **membership({**scores, "forget": scores["forget"][rows]}),
            **pair_membership(own)[0],
            **retrieval({split: look for split, look in own.items() if split != "retain"}),
            **forget_alignment(own),
        }
        shares.append({"count": int(rows.sum()), **{key: found[key] for key in SHARED if key in found}})
    return tuple(shares)
