"""Rows of the comparison table of the HTML page: the metrics of all models side by side, in groups."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from unlearning_pl.audits.compare_models import is_broken, mean_of_references
from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.audits.steps import STEP_METRICS
from unlearning_pl.report.metric_term import Term
from unlearning_pl.report.metric_terms import BY_KEY, GROUPS
from unlearning_pl.report.wording import pluralize

_DISTANCES = ("average_gap", "retraining_distance")  # to the retrained models: the smallest is the nearest


class Cell(NamedTuple):
    """One table cell: a metric of one model.

    Attributes:
        text: The value as printed.
        defined: Whether the metric is defined for the model.
        gap: Signed difference to the mean of the retrained models as printed, or an empty string.
        interval: Confidence interval as printed, or an empty string.
        nearest: Whether this unlearned model is nearest to retraining among several.
        tone: How far the value is above (or below) that of the retrained models, in percent of the strongest colour,
            -100 to 100.
    """

    text: str
    defined: bool
    gap: str = ""
    interval: str = ""
    nearest: bool = False
    tone: int = 0


class Row(NamedTuple):
    """One metric of all models."""

    title: str
    letters: str
    cells: Sequence[Cell]


class Group(NamedTuple):
    """Rows under one title."""

    title: str
    rows: Sequence[Row]


def metric_groups(audits: Sequence[Audit], keys: Collection[str]) -> list[Group]:
    """Group rows of the metrics among ``keys`` that at least one model has.

    Args:
        audits: All models; the reference is the retrained one, or the mean of several.
        keys: Metric keys.

    Example:
        >>> [group.title for group in metric_groups([Audit("original", {"seconds": 2.0}, {}, None)], BY_KEY)]
        ['Cost']
    """
    result = []
    for title, terms in GROUPS:
        present = [term for term in terms if term.key in keys and any(term.key in audit.metrics for audit in audits)]
        if present:
            result.append(Group(title, [_row(term, audits) for term in present]))
    return result


def step_groups(audits: Sequence[Audit]) -> list[Group]:
    """Rows for each step's own forget images, one group per step; empty if a single run forgot everything.

    Example:
        >>> step_groups([Audit("original", {}, {}, None, ({"count": 8}, {"count": 1}))])[1].title
        'Step 2, 1 image'
    """
    result = []
    for step in range(min(len(audit.steps) for audit in audits)):
        step_audits = [replace(audit, metrics=audit.steps[step], intervals={}) for audit in audits]
        count = int(audits[0].steps[step]["count"])
        known = [key for key in STEP_METRICS if any(key in audit.metrics for audit in step_audits)]
        rows = [_row(BY_KEY[key], step_audits) for key in known]
        result.append(Group(f"Step {step + 1}, {pluralize(count, 'image')}", rows))
    return result


def find_audit(audits: Sequence[Audit], name: str) -> Audit | None:
    """Return the audit with this name, or None.

    Example:
        >>> find_audit([Audit("ac", {}, {}, None)], "retrained") is None
        True
    """
    return next((audit for audit in audits if audit.name == name), None)


def format_gap(gap: float | None, digits: int) -> str:
    """Format a signed difference; an empty string for None.

    Example:
        >>> format_gap(2.0, 1), format_gap(None, 1)
        ('+2.0', '')
    """
    return "" if gap is None else f"{gap:+.{digits}f}"


def gaps_to_retraining(values: Sequence[float | None], audits: Sequence[Audit]) -> list[float | None]:
    """Difference of each model's value to the mean of the retrained models, which have none themselves.

    Args:
        values: Value of each model; None where it is not defined.
        audits: The models.

    Example:
        >>> audits = [Audit(name, {}, {}, None) for name in ("ac", "retrained", "retrained_2")]
        >>> gaps_to_retraining([3.0, 1.0, 2.0], audits)
        [1.5, None, None]
    """
    pairs = list(zip(values, audits, strict=True))
    mean = mean_of_references([value for value, audit in pairs if is_retrained(audit.name)])
    if mean is None:
        return [None] * len(audits)
    return [None if value is None or is_retrained(audit.name) else value - mean for value, audit in pairs]


def _row(term: Term, audits: Sequence[Audit]) -> Row:
    values = [audit.metrics.get(term.key) for audit in audits]
    gaps = gaps_to_retraining(values, audits) if term.compared else [None] * len(audits)
    nearest = _nearest(values if term.key in _DISTANCES else gaps, audits, term.digits)
    cells = [
        Cell(
            term.text(value),
            value is not None,
            format_gap(gap, term.digits),
            term.interval(audit.intervals.get(term.key)),
            row in nearest,
        )
        for row, (value, gap, audit) in enumerate(zip(values, gaps, audits, strict=True))
    ]
    return Row(term.title, term.letters, cells)


def _nearest(gaps: Sequence[float | None], audits: Sequence[Audit], digits: int) -> set[int]:
    """Indices of the unlearned models with the smallest printed gap, broken ones aside; empty if all are equal."""
    distances = {
        row: round(abs(gap), digits)
        for row, (gap, audit) in enumerate(zip(gaps, audits, strict=True))
        if gap is not None and audit.name != ORIGINAL and not is_retrained(audit.name) and not is_broken(audit)
    }
    if len(set(distances.values())) < 2:
        return set()
    return {row for row, gap in distances.items() if gap == min(distances.values())}
