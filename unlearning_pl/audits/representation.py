"""Where a model puts the images, compared with the original and with the retrained model.

References:
    [1] Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, arXiv 1905.00414
    [2] Khalil et al., CoUn: Empowering Machine Unlearning via Contrastive Learning, NeurIPS 2025, arXiv 2509.16391
    [3] Wang & Chen, Machine Unlearning in Contrastive Learning, arXiv 2405.07317
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from unlearning_pl.audits.embeddings import BySplit
from unlearning_pl.functional.similarity import cosine_drift, linear_cka, procrustes
from unlearning_pl.types import Split


class ModelOutputs(NamedTuple):
    """What one model says.

    Attributes:
        splits: Of the images of each split.
        probabilities: Of their classes, ``(N, K)`` by split, see
            :func:`unlearning_pl.audits.probes.class_probabilities`.
    """

    splits: BySplit
    probabilities: Mapping[Split, Tensor]


def mean_losses(splits: BySplit) -> dict[str, float]:
    """Mean training loss of the images of a split, which unlearning moves [3].

    A contrastive loss tells an image from the others of its batch, so it can be compared between models, not
    between splits of different sizes.

    Returns:
        ``retain_loss``, ``forget_loss``, ``test_loss``, each where it is known.

    Example:
        >>> mean_losses({})
        {}
    """
    known = {split: look.losses for split, look in splits.items() if look.losses is not None and len(look.losses)}
    return {f"{split}_loss": losses.double().mean().item() for split, losses in known.items()}


def against_original(model: ModelOutputs, original: ModelOutputs) -> dict[str, float]:
    """How far unlearning moved the model.

    Returns:
        Each where it is defined:

        ``forget_loss_change``, ``test_loss_change``: mean loss minus the original's [3].

        ``cka_original``: centred kernel alignment [1] of the forget features, in [0, 1].

        ``drift_original``: mean of 1 - cosine between the forget features of the two models, in [0, 2].

    Example:
        >>> against_original(ModelOutputs({}, {}), ModelOutputs({}, {}))
        {}
    """
    own, before = mean_losses(model.splits), mean_losses(original.splits)
    keys = [key for key in ("forget_loss", "test_loss") if key in own and key in before]
    change = {f"{key}_change": own[key] - before[key] for key in keys}
    return change | _features(model, original, "original", rotated=False)


def against_retrained(model: ModelOutputs, retrained: ModelOutputs) -> dict[str, float]:
    """How far the model is from the one that never saw the forget images.

    Two trainings from different weights end in different coordinates, so the drift is measured after the rotation
    that fits the model's retain and forget features to the retrained model's best.

    Returns:
        Each where it is defined:

        ``agreement_retrained``: percent of the forget images that both models give the same class [2].

        ``cka_retrained``, ``drift_retrained``: as in :func:`against_original`.

    Example:
        >>> against_retrained(ModelOutputs({}, {}), ModelOutputs({}, {}))
        {}
    """
    found = {}
    ours, theirs = (witness.probabilities.get("forget") for witness in (model, retrained))
    if ours is not None and theirs is not None:
        same = ours.argmax(dim=1) == theirs.argmax(dim=1)
        found["agreement_retrained"] = 100 * same.double().mean().item()
    return found | _features(model, retrained, "retrained", rotated=True)


def _features(model: ModelOutputs, reference: ModelOutputs, name: str, rotated: bool) -> dict[str, float]:
    if "forget" not in model.splits or "forget" not in reference.splits:
        return {}
    both: tuple[Split, ...] = ("forget", "retain")
    splits = [split for split in both if split in model.splits and split in reference.splits]
    ours, theirs = (torch.cat([w.splits[split].features for split in splits]) for w in (model, reference))
    forget = len(model.splits["forget"].features)
    found = {f"cka_{name}": linear_cka(ours[:forget], theirs[:forget]).item()} if forget > 1 else {}
    if ours.shape == theirs.shape:
        moved = procrustes(ours, theirs) if rotated else ours
        found[f"drift_{name}"] = cosine_drift(moved[:forget], theirs[:forget]).mean().item()
    return found
