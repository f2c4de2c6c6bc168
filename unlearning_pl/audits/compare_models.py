"""Compares the audits of several models: verdicts, distance to retraining, average gap, speed-up."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf

from unlearning_pl.audits.embeddings import Audit
from unlearning_pl.audits.judge_model import headline_attack, judge_model
from unlearning_pl.audits.same_training import require_own_trainings
from unlearning_pl.audits.verdict import Verdict
from unlearning_pl.audits.verdict_settings import DEFAULT_SETTINGS, VerdictSettings
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


def compare(
    audits: Sequence[Audit],
    original: str | None = None,
    retrained: str | Sequence[str] | None = None,
    settings: VerdictSettings = DEFAULT_SETTINGS,
) -> list[Audit]:
    """Add the metrics that compare models, and verdicts, see :func:`unlearning_pl.audits.judge_model.judge_model`.

    ``retraining_distance`` = |AUC - mean AUC of the retrained models| of the headline attack, and
    ``retraining_floor``, the same among the retrained models. ``forgetting_score`` = forget alignment of the original
    minus the model's (needs the original). ``average_gap`` = mean of ``|model - retrained|`` over
    :data:`PAIR_GAP_METRICS` if all of them are defined in both models, else over :data:`GAP_METRICS`, in percentage
    points (needs the retrained model). ``speed_up`` = seconds of retraining / seconds of the model (not for the
    original, which unlearned nothing). Of several retrained models the metrics are those of their mean, for one of them
    that of the others.

    Args:
        audits: One audit per model.
        original: Name of the original's audit, if there is one.
        retrained: Names of the retrained models' audits, if there are any.
        settings: Settings of the verdicts.

    Returns:
        New audits in the same order; each metric only if it is defined.

    Raises:
        InputError: Two audits have the same name, a reference is not among the audits, one is given twice, or two are
            one training.

    Example:
        >>> audits = [Audit(name, {"seconds": s}, {}, None) for name, s in (("retrained", 30.0), ("ac", 2.0))]
        >>> [audit.metrics["speed_up"] for audit in compare(audits, retrained="retrained")]
        [1.0, 15.0]
    """
    names = [audit.name for audit in audits]
    require(
        len(set(names)) == len(names),
        f"Expected one audit per name, got {', '.join(names)}. Give each run its own name.",
    )
    before = None if original is None else _find_audit(audits, original)
    wanted = [retrained] if isinstance(retrained, str) else [*(retrained or [])]
    references = [_find_audit(audits, name) for name in wanted]
    _require_different([*wanted, *([] if original is None else [original])])
    trainings = [*references, *([] if before is None else [before])]
    require_own_trainings({audit.name: audit.evidence for audit in trainings}, original)
    control = None if before is None else before.evidence
    attacks = [
        name for name in (control.attacks if control else []) if all(name in o.evidence.attacks for o in references)
    ]
    headline = headline_attack(attacks, control, [one.evidence for one in references]) if attacks else None
    compared = []
    for audit in audits:
        others = [one for one in references if one is not audit]
        evidence = [one.evidence for one in others]
        verdict = judge_model(
            audit.evidence, evidence, control, settings.level, settings.margin, headline, settings.drawn
        )
        relative = _relative_metrics(audit, before, mean_metrics(others or references))
        metrics = {**audit.metrics, **_distances(verdict), **relative}
        is_reference = any(audit is one for one in references)
        compared.append(replace(audit, metrics=metrics, verdict=None if is_reference else verdict))
    return compared


def mean_metrics(references: Sequence[Audit]) -> dict[str, float]:
    """Mean of each metric over the retrained models, see :func:`mean_of_references`.

    Example:
        >>> mean_metrics([Audit("retrained", {"seconds": seconds}, {}, None) for seconds in (2.0, 4.0)])
        {'seconds': 3.0}
    """
    known = references[0].metrics if references else {}
    means = {key: mean_of_references([one.metrics.get(key) for one in references]) for key in known}
    return {key: mean for key, mean in means.items() if mean is not None}


def mean_of_references(values: Sequence[float | None]) -> float | None:
    """Mean of a metric over the retrained models; None without any, or if one of them does not have it.

    Example:
        >>> mean_of_references([1.0, 2.0]), mean_of_references([1.0, None]), mean_of_references([])
        (1.5, None, None)
    """
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def by_distance(audits: Sequence[Audit], references: Collection[str]) -> list[Audit]:
    """Order audits: unlearned models by their distance to retraining, then broken ones, then the references.

    Example:
        >>> audits = [Audit(name, {"retraining_distance": d}, {}, None) for name, d in (("original", 0.3), ("ac", 0.1))]
        >>> [audit.name for audit in by_distance(audits, ["original"])]
        ['ac', 'original']
    """
    distance = {audit.name: audit.metrics.get("retraining_distance", inf) for audit in audits}
    unlearned = sorted((audit for audit in audits if audit.name not in references), key=lambda one: distance[one.name])
    return [*sorted(unlearned, key=is_broken), *(audit for audit in audits if audit.name in references)]


def is_broken(audit: Audit) -> bool:
    """Whether the verdict is "broken": such a model is near to nothing, whatever its distance.

    Example:
        >>> is_broken(Audit("ac", {}, {}, None))
        False
    """
    return audit.verdict is not None and audit.verdict.kind == "broken"


def _distances(verdict: Verdict | None) -> dict[str, float]:
    if verdict is None or not verdict.compared:
        return {}
    distance = {"retraining_distance": abs(verdict.headline.value)}
    return distance | ({} if verdict.floor is None else {"retraining_floor": verdict.floor})


def _require_different(references: Sequence[str]) -> None:
    require(
        len(set(references)) == len(references),
        f"Expected different models as references, got {', '.join(references)}. Give each once: the floor is the "
        "distance of the retrained models from one another.",
    )


def _find_audit(audits: Sequence[Audit], name: str) -> Audit:
    for audit in audits:
        if audit.name == name:
            return audit
    raise InputError(
        f"Expected the reference among {', '.join(a.name for a in audits) or 'no audits'}, got {name}. "
        "Audit that model too, or leave the reference out."
    )


def _relative_metrics(audit: Audit, original: Audit | None, retrained: Mapping[str, float]) -> dict[str, float]:
    metrics, comparison = audit.metrics, {}
    if original is not None and "forget_alignment" in metrics and "forget_alignment" in original.metrics:
        comparison["forgetting_score"] = original.metrics["forget_alignment"] - metrics["forget_alignment"]
    keys = gap_metrics(metrics.keys() & retrained.keys())
    if keys:
        comparison["average_gap"] = sum(abs(metrics[key] - retrained[key]) for key in keys) / len(keys)
    has_seconds = metrics.get("seconds", 0) > 0 and "seconds" in retrained
    if has_seconds and audit is not original:
        comparison["speed_up"] = retrained["seconds"] / metrics["seconds"]
    return comparison
