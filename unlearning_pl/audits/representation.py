"""Distances between the representations of a model and those of the original or the retrained model.

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
    """Embeddings and class probabilities of one model.

    Attributes:
        splits: Embeddings by split.
        probabilities: Class probabilities, ``(N, K)`` by split, see
            :func:`unlearning_pl.audits.probes.class_probabilities`.
    """

    splits: BySplit
    probabilities: Mapping[Split, Tensor]


def mean_losses(splits: BySplit) -> dict[str, float]:
    """Mean training loss of each split, which unlearning changes [3].

    A contrastive loss compares an image with the others of its batch, so its mean is comparable between models, not
    between splits of different sizes.

    Returns:
        ``retain_loss``, ``forget_loss``, ``test_loss``, each if it is known.

    Example:
        >>> mean_losses({})
        {}
    """
    known = {
        split: embeddings.losses
        for split, embeddings in splits.items()
        if embeddings.losses is not None and len(embeddings.losses)
    }
    return {f"{split}_loss": losses.double().mean().item() for split, losses in known.items()}


def against_original(model: ModelOutputs, original: ModelOutputs) -> dict[str, float]:
    """Distance of a model from the original: loss changes, CKA and feature drift.

    Returns:
        Each metric, if it is defined:

        ``forget_loss_change``, ``test_loss_change``: mean loss minus the original's [3].

        ``cka_original``: linear centred kernel alignment [1] of the forget features, in [0, 1]; 1 if unchanged.

        ``drift_original``: mean of 1 - cosine between the forget features of the two models, in [0, 2]; 0 if unchanged.

    Example:
        >>> against_original(ModelOutputs({}, {}), ModelOutputs({}, {}))
        {}
    """
    own, before = mean_losses(model.splits), mean_losses(original.splits)
    keys = [key for key in ("forget_loss", "test_loss") if key in own and key in before]
    change = {f"{key}_change": own[key] - before[key] for key in keys}
    return change | _feature_distances(model, original, "original", rotated=False)


def against_retrained(model: ModelOutputs, retrained: ModelOutputs) -> dict[str, float]:
    """Distance of a model from the retrained one: agreement, CKA and feature drift.

    Two models trained from different weights have different coordinates, so the drift is measured after the orthogonal
    transformation that best fits the model's retain and forget features to the retrained model's.

    Returns:
        Each metric, if it is defined:

        ``agreement_retrained``: percent of the forget images to which both models assign the same class [2].

        ``cka_retrained``, ``drift_retrained``: as in :func:`against_original`.

    Example:
        >>> against_retrained(ModelOutputs({}, {}), ModelOutputs({}, {}))
        {}
    """
    distances = {}
    model_probabilities, reference_probabilities = (
        outputs.probabilities.get("forget") for outputs in (model, retrained)
    )
    if model_probabilities is not None and reference_probabilities is not None:
        same = model_probabilities.argmax(dim=1) == reference_probabilities.argmax(dim=1)
        distances["agreement_retrained"] = 100 * same.double().mean().item()
    return distances | _feature_distances(model, retrained, "retrained", rotated=True)


def _feature_distances(model: ModelOutputs, reference: ModelOutputs, name: str, rotated: bool) -> dict[str, float]:
    if "forget" not in model.splits or "forget" not in reference.splits:
        return {}
    compared: tuple[Split, ...] = ("forget", "retain")
    splits = [split for split in compared if split in model.splits and split in reference.splits]
    model_features, reference_features = (
        torch.cat([w.splits[split].features for split in splits]) for w in (model, reference)
    )
    forget = len(model.splits["forget"].features)
    distances = (
        {f"cka_{name}": linear_cka(model_features[:forget], reference_features[:forget]).item()} if forget > 1 else {}
    )
    if model_features.shape == reference_features.shape:
        moved = procrustes(model_features, reference_features) if rotated else model_features
        distances[f"drift_{name}"] = cosine_drift(moved[:forget], reference_features[:forget]).mean().item()
    return distances
