"""Computes audits from embeddings, and compares audits. Pure functions: no model, no Lightning."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from unlearning_pl.audits.alignment import alignment_heat_map, forget_alignment
from unlearning_pl.audits.confidence import confidence_attacks, population_attack, true_class_probability
from unlearning_pl.audits.embeddings import Audit, BySplit, drop_empty, require_finite
from unlearning_pl.audits.image_text import pair_membership, pair_scores, retrieval, zero_shot
from unlearning_pl.audits.membership import learned_attacks, membership, membership_intervals, membership_scores
from unlearning_pl.audits.probes import (
    accuracies,
    class_accuracies,
    class_probabilities,
    correct_predictions,
    neighbour_accuracies,
)
from unlearning_pl.audits.representation import ModelOutputs, against_original, against_retrained, mean_losses
from unlearning_pl.audits.steps import step_metrics
from unlearning_pl.audits.tsne_map import embedding_map
from unlearning_pl.errors import InputError, require

GAP_METRICS = ("encoder_mi", "retain_accuracy", "test_accuracy", "forget_accuracy", "classifier_mi")
"""Metrics of the average gap: MUC's set (arXiv 2406.03603), all in percent."""
PAIR_GAP_METRICS = ("retain_recall", "test_recall", "forget_recall", "pair_mi")
"""Metrics of the average gap of image-text models with distinct captions: those of pairs (our choice)."""


def gap_metrics(known: Collection[str]) -> tuple[str, ...]:
    """Select the metrics of the average gap among the known keys: those of pairs, else the others, else none.

    Example:
        >>> gap_metrics([*GAP_METRICS, "seconds"]) == GAP_METRICS, gap_metrics([])
        (True, ())
        >>> gap_metrics([*GAP_METRICS, *PAIR_GAP_METRICS]) == PAIR_GAP_METRICS
        True
    """
    return next((keys for keys in (PAIR_GAP_METRICS, GAP_METRICS) if all(key in known for key in keys)), ())


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
    retrained: str | None = None,
) -> list[Audit]:
    """Measure several models, and compare each with the original and the retrained model.

    Args:
        models: Embeddings of each model, by its name.
        known: Metrics that are already known, by model and key, such as ``seconds``.
        steps: As for :func:`compute_audit`.
        original: Name of the original, if it is among the models.
        retrained: Name of the retrained model, if it is among them.

    Returns:
        One audit per model, in the same order, as :func:`compare` returns them.

    Raises:
        InputError: A model's embeddings are not finite, or a reference is not among the models.

    Example:
        >>> compute_audits({"original": {}}, {"original": {"seconds": 2.0}})[0].metrics
        {'seconds': 2.0}
    """
    model_outputs = {name: _model_outputs(name, splits) for name, splits in models.items()}
    audits = []
    for name, outputs in model_outputs.items():
        metrics = dict((known or {}).get(name, {}))
        if original in model_outputs and name != original:
            metrics |= against_original(outputs, model_outputs[original])
        if retrained in model_outputs and name != retrained:
            metrics |= against_retrained(outputs, model_outputs[retrained])
        audits.append(_compute_audit(name, outputs, metrics, steps))
    return compare(audits, original, retrained)


def _model_outputs(name: str, splits: BySplit) -> ModelOutputs:
    require_finite(name, splits)
    splits = drop_empty(splits)
    return ModelOutputs(splits, class_probabilities(splits))


def _compute_audit(name: str, outputs: ModelOutputs, known: Mapping[str, float], steps: Sequence[Tensor]) -> Audit:
    splits, probabilities = outputs
    scores, hits = membership_scores(splits), correct_predictions(splits, probabilities)
    population, population_intervals = population_attack(splits, probabilities)
    learned, learned_intervals = learned_attacks(splits)
    pairs, pair_intervals = pair_membership(splits)
    metrics = {
        **accuracies(hits),
        **neighbour_accuracies(splits),
        **membership(scores),
        **learned,
        **confidence_attacks(splits, probabilities),
        **population,
        **forget_alignment(splits),
        **mean_losses(splits),
        **pairs,
        **retrieval(splits),
        **zero_shot(splits),
        **known,
    }
    return Audit(
        name,
        metrics,
        pair_scores(splits) or scores,
        alignment_heat_map(splits),
        step_metrics(splits, scores, hits, steps),
        intervals={**membership_intervals(scores), **learned_intervals, **population_intervals, **pair_intervals},
        losses={split: embeddings.losses for split, embeddings in splits.items() if embeddings.losses is not None},
        probabilities=true_class_probability(splits, probabilities),
        class_accuracy=class_accuracies(splits, probabilities),
        map=embedding_map(splits),
    )


def compare(audits: Sequence[Audit], original: str | None = None, retrained: str | None = None) -> list[Audit]:
    """Add the metrics that compare models: forgetting score, average gap and speed-up.

    ``forgetting_score`` = forget alignment of the original minus the model's (needs the original).
    ``average_gap`` = mean of ``|model - retrained|`` over :data:`PAIR_GAP_METRICS` if all of them are defined in both
    models, else over :data:`GAP_METRICS`, in percentage points (needs the retrained model). ``speed_up`` = seconds of
    retraining / seconds of the model (not for the original, which unlearned nothing).

    Args:
        audits: One audit per model.
        original: Name of the original's audit, if there is one.
        retrained: Name of the retrained model's audit, if there is one.

    Returns:
        New audits in the same order; each metric only if it is defined.

    Raises:
        InputError: Two audits have the same name, or a reference is not among the audits.

    Example:
        >>> audits = [compute_audit("retrained", {}, seconds=30.0), compute_audit("ac", {}, seconds=2.0)]
        >>> [audit.metrics["speed_up"] for audit in compare(audits, retrained="retrained")]
        [1.0, 15.0]
    """
    names = [audit.name for audit in audits]
    require(
        len(set(names)) == len(names),
        f"Expected one audit per name, got {', '.join(names)}. Give each run its own name.",
    )
    before, reference = _find_audit(audits, original), _find_audit(audits, retrained)
    return [replace(audit, metrics=audit.metrics | _relative_metrics(audit, before, reference)) for audit in audits]


def _find_audit(audits: Sequence[Audit], name: str | None) -> Audit | None:
    if name is None:
        return None
    for audit in audits:
        if audit.name == name:
            return audit
    raise InputError(
        f"Expected the reference among {', '.join(a.name for a in audits) or 'no audits'}, got {name}. "
        "Audit that model too, or leave the reference out."
    )


def _relative_metrics(audit: Audit, original: Audit | None, retrained: Audit | None) -> dict[str, float]:
    metrics, comparison = audit.metrics, {}
    if original is not None and "forget_alignment" in metrics and "forget_alignment" in original.metrics:
        comparison["forgetting_score"] = original.metrics["forget_alignment"] - metrics["forget_alignment"]
    if retrained is None:
        return comparison
    keys = gap_metrics(metrics.keys() & retrained.metrics.keys())
    if keys:
        comparison["average_gap"] = sum(abs(metrics[key] - retrained.metrics[key]) for key in keys) / len(keys)
    has_seconds = metrics.get("seconds", 0) > 0 and "seconds" in retrained.metrics
    if has_seconds and audit is not original:
        comparison["speed_up"] = retrained.metrics["seconds"] / metrics["seconds"]
    return comparison
