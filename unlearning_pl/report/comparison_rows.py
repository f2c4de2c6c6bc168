"""The numbers of all models side by side, in groups of rows, for the page."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, Audit
from unlearning_pl.audits.steps import SHARED
from unlearning_pl.report.metric_terms import BY_KEY, GROUPS
from unlearning_pl.report.term import Term


class Cell(NamedTuple):
    """One number of one model.

    Attributes:
        text: The number as printed.
        defined: Whether there is one.
        gap: Its signed difference to the retrained model as printed, or nothing.
        interval: Its confidence interval as printed, or nothing.
        nearest: Whether it is the nearest of several unlearned models.
        tone: How far above (or below) the retrained model it is, in percent of the strongest colour, -100 to 100.
    """

    text: str
    defined: bool
    gap: str = ""
    interval: str = ""
    nearest: bool = False
    tone: int = 0


class Row(NamedTuple):
    """One quantity of all models."""

    title: str
    letters: str
    cells: Sequence[Cell]


class Group(NamedTuple):
    """Rows under one title."""

    title: str
    rows: Sequence[Row]


def groups(audits: Sequence[Audit], keys: Collection[str]) -> list[Group]:
    """Rows of the metrics among ``keys`` that some model has, in groups.

    Args:
        audits: All models; the one named "retrained" is the reference.
        keys: Keys of metrics.

    Example:
        >>> [group.title for group in groups([Audit("original", {"seconds": 2.0}, {}, None)], BY_KEY)]
        ['Cost']
    """
    found = []
    for title, terms in GROUPS:
        shown = [term for term in terms if term.key in keys and any(term.key in audit.metrics for audit in audits)]
        if shown:
            found.append(Group(title, [_row(term, audits, named(audits, RETRAINED)) for term in shown]))
    return found


def step_groups(audits: Sequence[Audit]) -> list[Group]:
    """The rows of each step's own share, a group a step; none where one run forgot everything.

    Example:
        >>> step_groups([Audit("original", {}, {}, None, ({"count": 8}, {"count": 1}))])[1].title
        'Step 2, 1 image'
    """
    found = []
    for step in range(min(len(audit.steps) for audit in audits)):
        alone = [replace(audit, metrics=audit.steps[step], intervals={}) for audit in audits]
        count = int(audits[0].steps[step]["count"])
        known = [key for key in SHARED if any(key in audit.metrics for audit in alone)]
        rows = [_row(BY_KEY[key], alone, named(alone, RETRAINED)) for key in known]
        found.append(Group(f"Step {step + 1}, {count} {'image' if count == 1 else 'images'}", rows))
    return found


def named(audits: Sequence[Audit], name: str) -> Audit | None:
    """The audit of one name, where there is one.

    Example:
        >>> named([Audit("ac", {}, {}, None)], "retrained") is None
        True
    """
    return next((audit for audit in audits if audit.name == name), None)


def signed(gap: float | None, digits: int) -> str:
    """A difference as printed; empty where there is none.

    Example:
        >>> signed(2.0, 1), signed(None, 1)
        ('+2.0', '')
    """
    return "" if gap is None else f"{gap:+.{digits}f}"


def _row(term: Term, audits: Sequence[Audit], retrained: Audit | None) -> Row:
    values = [audit.metrics.get(term.key) for audit in audits]
    reference = None if retrained is None else retrained.metrics.get(term.key)
    gaps: list[float | None] = [None] * len(audits)
    if reference is not None and term.compared:
        gaps = [
            None if value is None or audit is retrained else value - reference
            for value, audit in zip(values, audits, strict=True)
        ]
    nearest = _nearest(values if term.key == "average_gap" else gaps, audits, term.digits)
    cells = [
        Cell(
            term.text(value),
            value is not None,
            signed(gap, term.digits),
            term.interval(audit.intervals.get(term.key)),
            row in nearest,
        )
        for row, (value, gap, audit) in enumerate(zip(values, gaps, audits, strict=True))
    ]
    return Row(term.title, term.letters, cells)


def _nearest(gaps: Sequence[float | None], audits: Sequence[Audit], digits: int) -> set[int]:
    """Rows of the unlearned models with the smallest gap as printed; none where all are equal."""
    rivals = {
        row: round(abs(gap), digits)
        for row, (gap, audit) in enumerate(zip(gaps, audits, strict=True))
        if gap is not None and audit.name not in (ORIGINAL, RETRAINED)
    }
    if len(set(rivals.values())) < 2:
        return set()
    return {row for row, gap in rivals.items() if gap == min(rivals.values())}
