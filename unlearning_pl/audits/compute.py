"""From embeddings to an audit, and from audits to a comparison. Pure: no model, no Lightning."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from unlearning_pl.audits.alignment import forget_alignment, shown_alignment
from unlearning_pl.audits.confidence import confidence_attacks, population_attack, true_class
from unlearning_pl.audits.embeddings import Audit, BySplit, filled, require_finite
from unlearning_pl.audits.image_text import pair_membership, pair_scores, retrieval, zero_shot
from unlearning_pl.audits.membership import learned_attacks, membership, membership_intervals, membership_scores
from unlearning_pl.audits.probes import (
    accuracies,
    class_accuracies,
    class_probabilities,
    named_correctly,
    neighbour_accuracies,
)
from unlearning_pl.audits.representation import ModelOutputs, against_original, against_retrained, mean_losses
from unlearning_pl.audits.steps import each_share
from unlearning_pl.audits.tsne_map import embedding_map
from unlearning_pl.errors import InputError, require

GAP = ("encoder_mi", "retain_accuracy", "test_accuracy", "forget_accuracy", "classifier_mi")
"""Metrics of the average gap: MUC's set (arXiv 2406.03603), all in percent."""
PAIR_GAP = ("retain_recall", "test_recall", "forget_recall", "pair_mi")
"""Those of an image-text model whose pairs can be told apart: the same questions asked of pairs (our choice)."""


def gap_metrics(known: Collection[str]) -> tuple[str, ...]:
    """The metrics of the average gap, of those that are known: :data:`PAIR_GAP`, else :data:`GAP`, else none.

    Example:
        >>> gap_metrics([*GAP, "seconds"]) == GAP, gap_metrics([*GAP, *PAIR_GAP]) == PAIR_GAP, gap_metrics([])
        (True, True, ())
    """
    return next((keys for keys in (PAIR_GAP, GAP) if all(key in known for key in keys)), ())


def compute_audit(name: str, embeddings: BySplit, seconds: float | None = None, steps: Sequence[Tensor] = ()) -> Audit:
    """Measure one model: accuracies, membership inference and alignment.

    Args:
        name: "original", "retrained" or the run's name.
        embeddings: What the model says of retain, forget and test; a split may be missing or empty, and then
            the quantities that need it are absent.
        seconds: Wall-clock time of the training or unlearning that made the model, where known.
        steps: Positions of the images that each run of a sequence forgot, oldest first.

    Raises:
        InputError: The model's embeddings are not finite.

    Example:
        >>> compute_audit("original", {}, seconds=2.0).metrics
        {'seconds': 2.0}
    """
    return _audited(name, _witness(name, embeddings), {} if seconds is None else {"seconds": seconds}, steps)


def compute_audits(
    models: Mapping[str, BySplit],
    known: Mapping[str, Mapping[str, float]] | None = None,
    steps: Sequence[Tensor] = (),
    original: str | None = None,
    retrained: str | None = None,
) -> list[Audit]:
    """Measure several models, and each against the original and the retrained one.

    Args:
        models: What each model says, by its name.
        known: Metrics that are known already, by model and key, such as ``seconds``.
        steps: As for :func:`compute_audit`.
        original: Name of the original, where it is among the models.
        retrained: Name of the retrained model, where it is among them.

    Returns:
        An audit a model, in their order, as :func:`compare` returns them.

    Raises:
        InputError: A model's embeddings are not finite, or a reference is not among the models.

    Example:
        >>> compute_audits({"original": {}}, {"original": {"seconds": 2.0}})[0].metrics
        {'seconds': 2.0}
    """
    witnesses = {name: _witness(name, splits) for name, splits in models.items()}
    audits = []
    for name, witness in witnesses.items():
        found = dict((known or {}).get(name, {}))
        if original in witnesses and name != original:
            found |= against_original(witness, witnesses[original])
        if retrained in witnesses and name != retrained:
            found |= against_retrained(witness, witnesses[retrained])
        audits.append(_audited(name, witness, found, steps))
    return compare(audits, original, retrained)


def _witness(name: str, splits: BySplit) -> ModelOutputs:
    require_finite(name, splits)
    splits = filled(splits)
    return ModelOutputs(splits, class_probabilities(splits))


def _audited(name: str, witness: ModelOutputs, found: Mapping[str, float], steps: Sequence[Tensor]) -> Audit:
    splits, probabilities = witness
    scores, hits = membership_scores(splits), named_correctly(splits, probabilities)
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
        **found,
    }
    return Audit(
        name,
        metrics,
        pair_scores(splits) or scores,
        shown_alignment(splits),
        each_share(splits, scores, hits, steps),
        intervals={**membership_intervals(scores), **learned_intervals, **population_intervals, **pair_intervals},
        losses={split: look.losses for split, look in splits.items() if look.losses is not None},
        probabilities=true_class(splits, probabilities),
        class_accuracy=class_accuracies(splits, probabilities),
        map=embedding_map(splits),
    )


def compare(audits: Sequence[Audit], original: str | None = None, retrained: str | None = None) -> list[Audit]:
    """Add what only a comparison tells: forgetting score, average gap and speed-up.

    ``forgetting_score`` = forget alignment of the original minus the model's (needs the original).
    ``average_gap`` = mean of ``|model - retrained|`` over :data:`PAIR_GAP` where it is defined, else over :data:`GAP`,
    in points (needs the retrained model and all of the metrics in both). ``speed_up`` = seconds of retraining / seconds
    of the model (not for the original, which unlearned nothing).

    Args:
        audits: One audit a model.
        original: Name of the original's audit, where there is one.
        retrained: Name of the retrained model's audit, where there is one.

    Returns:
        New audits in the same order; each metric where it is defined.

    Raises:
        InputError: Two audits of one name, or a reference that is not among them.

    Example:
        >>> audits = [compute_audit("retrained", {}, seconds=30.0), compute_audit("ac", {}, seconds=2.0)]
        >>> [audit.metrics["speed_up"] for audit in compare(audits, retrained="retrained")]
        [1.0, 15.0]
    """
    names = [audit.name for audit in audits]
    require(
        len(set(names)) == len(names),
        f"Expected one audit a name, got {', '.join(names)}. Give each run its own name.",
    )
    before, reference = _named(audits, original), _named(audits, retrained)
    return [replace(audit, metrics=audit.metrics | _relative(audit, before, reference)) for audit in audits]


def _named(audits: Sequence[Audit], name: str | None) -> Audit | None:
    if name is None:
        return None
    for audit in audits:
        if audit.name == name:
            return audit
    raise InputError(
        f"Expected the reference among {', '.join(a.name for a in audits) or 'no audits'}, got {name}. "
        "Audit that model too, or leave the reference out."
    )


def _relative(audit: Audit, original: Audit | None, retrained: Audit | None) -> dict[str, float]:
    metrics, relative = audit.metrics, {}
    if original is not None and "forget_alignment" in metrics and "forget_alignment" in original.metrics:
        relative["forgetting_score"] = original.metrics["forget_alignment"] - metrics["forget_alignment"]
    if retrained is None:
        return relative
    keys = gap_metrics(metrics.keys() & retrained.metrics.keys())
    if keys:
        relative["average_gap"] = sum(abs(metrics[key] - retrained.metrics[key]) for key in keys) / len(keys)
    known = metrics.get("seconds", 0) > 0 and "seconds" in retrained.metrics
    if known and audit is not original:
        relative["speed_up"] = retrained.metrics["seconds"] / metrics["seconds"]
    return relative
