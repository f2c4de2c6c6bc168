"""Computes audits from embeddings. Pure functions: no model, no Lightning."""

import logging
from collections.abc import Mapping, Sequence

from torch import Tensor

from unlearning_pl.audits.alignment import alignment_heat_map, forget_alignment
from unlearning_pl.audits.attacks import collect_evidence, measure_utility
from unlearning_pl.audits.compare_models import compare
from unlearning_pl.audits.confidence import confidence_attacks, population_attack, true_class_probability
from unlearning_pl.audits.embeddings import Audit, BySplit, drop_empty, require_finite
from unlearning_pl.audits.image_text import pair_membership, pair_scores, retrieval, test_recalls, zero_shot
from unlearning_pl.audits.membership import (
    learned_attacks,
    learned_scores,
    membership,
    membership_intervals,
    membership_scores,
)
from unlearning_pl.audits.probes import (
    accuracies,
    class_accuracies,
    class_probabilities,
    correct_predictions,
    neighbour_accuracies,
    neighbour_hits,
)
from unlearning_pl.audits.representation import ModelOutputs, against_original, against_retrained, mean_losses
from unlearning_pl.audits.steps import step_metrics
from unlearning_pl.audits.tsne_map import embedding_map
from unlearning_pl.audits.verdict_settings import DEFAULT_SETTINGS, VerdictSettings
from unlearning_pl.functional.auc_difference import ScorePair
from unlearning_pl.types import Split

_log = logging.getLogger(__name__)


def compute_audit(name: str, embeddings: BySplit, seconds: float | None = None, steps: Sequence[Tensor] = ()) -> Audit:
    """Measure one model: accuracies, membership inference and alignment.

    Args:
        name: "original", "retrained" or the run's name.
        embeddings: The model's embeddings of retain, forget and test; if a split is missing or empty, the metrics that
            need it are absent.
        seconds: Wall-clock time in seconds of the training or unlearning run that produced the model, if known.
        steps: Positions of the images that each unlearning run of a sequence forgot, oldest first.

    Raises:
        InputError: The model's embeddings are not finite.

    Example:
        >>> compute_audit("original", {}, seconds=2.0).metrics
        {'seconds': 2.0}
    """
    known = {} if seconds is None else {"seconds": seconds}
    return _compute_audit(name, _model_outputs(name, embeddings), known, steps)


def compute_audits(
    models: Mapping[str, BySplit],
    known: Mapping[str, Mapping[str, float]] | None = None,
    steps: Sequence[Tensor] = (),
    original: str | None = None,
    retrained: str | Sequence[str] | None = None,
    settings: VerdictSettings = DEFAULT_SETTINGS,
    maps: bool = True,
) -> list[Audit]:
    """Measure several models, and compare each with the original and the retrained model.

    Args:
        models: Embeddings of each model, by its name.
        known: Metrics that are already known, by model and key, such as ``seconds``.
        steps: As for :func:`compute_audit`.
        original: Name of the original, if it is among the models.
        retrained: Names of the retrained models among them; the first is the one to compare features with.
        settings: Settings of the verdicts.
        maps: Whether to compute the t-SNE map of each model, which no metric needs.

    Returns:
        One audit per model, in the same order, as :func:`~unlearning_pl.audits.compare_models.compare` returns them.

    Raises:
        InputError: A model's embeddings are not finite, a reference is not among the models, or one is given twice.

    Example:
        >>> compute_audits({"original": {}}, {"original": {"seconds": 2.0}})[0].metrics
        {'seconds': 2.0}
    """
    if any(embeddings.logits is None for splits in models.values() for embeddings in splits.values()):
        _log.info("Linear probes of the models without class scores")
    model_outputs = {name: _model_outputs(name, splits) for name, splits in models.items()}
    names = [retrained] if isinstance(retrained, str) else [*(retrained or [])]
    audits: list[Audit] = []
    for name, outputs in model_outputs.items():
        _log.info(f"Metrics of {name}, model {len(audits) + 1} of {len(models)}")
        metrics = dict((known or {}).get(name, {}))
        if original in model_outputs and name != original:
            metrics |= against_original(outputs, model_outputs[original])
        reference = next((one for one in names if one != name and one in model_outputs), None)
        if reference is not None and name not in names:
            metrics |= against_retrained(outputs, model_outputs[reference])
        audits.append(_compute_audit(name, outputs, metrics, steps, maps))
    return compare(audits, original, names, settings)


def _model_outputs(name: str, splits: BySplit) -> ModelOutputs:
    require_finite(name, splits)
    splits = drop_empty(splits)
    return ModelOutputs(splits, class_probabilities(splits))


def _compute_audit(
    name: str, outputs: ModelOutputs, known: Mapping[str, float], steps: Sequence[Tensor], maps: bool = True
) -> Audit:
    splits, probabilities = outputs
    scores, learned = membership_scores(splits), learned_scores(splits)
    hits, neighbours = correct_predictions(splits, probabilities), neighbour_hits(splits)
    attacks, intervals = _attack_metrics(outputs, scores, learned)
    metrics = {
        **accuracies(hits),
        **neighbour_accuracies(neighbours),
        **attacks,
        **forget_alignment(splits),
        **mean_losses(splits),
        **retrieval(splits),
        **zero_shot(splits),
        **known,
    }
    utility = measure_utility(splits, hits, neighbours, test_recalls(splits))
    return Audit(
        name,
        metrics,
        pair_scores(splits) or scores,
        alignment_heat_map(splits),
        step_metrics(splits, scores, hits, steps),
        intervals=intervals,
        losses={split: embeddings.losses for split, embeddings in splits.items() if embeddings.losses is not None},
        probabilities=true_class_probability(splits, probabilities),
        class_accuracy=class_accuracies(splits, probabilities),
        map=embedding_map(splits) if maps else {},
        evidence=collect_evidence(splits, scores, learned, utility),
    )


def _attack_metrics(
    outputs: ModelOutputs, scores: Mapping[Split, Tensor], learned: Mapping[str, ScorePair]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Metrics of the membership attacks, and their intervals."""
    splits, probabilities = outputs
    population, population_intervals = population_attack(splits, probabilities)
    learned_metrics, learned_intervals = learned_attacks(learned)
    pairs, pair_intervals = pair_membership(splits)
    metrics = {
        **membership(scores),
        **learned_metrics,
        **confidence_attacks(splits, probabilities),
        **population,
        **pairs,
    }
    return metrics, {**membership_intervals(scores), **learned_intervals, **population_intervals, **pair_intervals}
