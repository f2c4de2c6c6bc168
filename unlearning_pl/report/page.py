"""The report of an audit: one HTML page that a lawyer can read, and the same numbers as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from torch import Tensor

from unlearning_pl.audits.base import ORIGINAL, RETRAINED, Audit
from unlearning_pl.audits.membership import threshold
from unlearning_pl.audits.steps import SHARED
from unlearning_pl.errors import require
from unlearning_pl.files import write_json, write_text
from unlearning_pl.functional.alignment import alignment_gap
from unlearning_pl.report.figures import heat_map, highest_share, histogram, score_range, svg
from unlearning_pl.report.terms import BY_KEY, TERMS, Term
from unlearning_pl.report.wording import asked, asked_in_steps, privacy, utility, verdict

VERSION = 1
"""Version of the schema of report.json."""
_MAPPED = 100  # images in a heat map: with eight models the page stays below 2 MB
_NOT_COMPARED = {"average_gap", "seconds", "speed_up"}  # their distance to retrained says nothing
_OPTIONAL = {
    "average_gap",
    "forgetting_score",
    "seconds",
    "speed_up",
}  # rows left out where no model has a value


def write_report(folder: str | Path, audits: Sequence[Audit], context: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` and ``report.json`` into ``folder``, each whole or not at all.

    ``report.json`` holds ``{"version": 1, "context": {...}, "audits": [...]}``; an audit is ``{"name": str,
    "metrics": {key: number}, "scores": {split: {id: number}}, "forget_alignment": {id: number}}``, and where images
    were forgotten in several runs ``"steps": [{"count": number, key: number}]``. A metric
    that is not defined is absent. An image's id is its entry of ``context["ids"][split]``, else its row
    within the split. ``forget_alignment`` is the diagonal of the alignment matrix, of at most 200 images; the
    context is written without its ids.

    Args:
        folder: Made where it is missing.
        audits: As :func:`unlearning_pl.audits.judge.compare` returns them; "original" and "retrained" are the
            references.
        context: What else the reader should know, every key optional: ``title``, ``dataset``,
            ``fingerprint``, ``request`` (what was asked, by name) or ``steps`` (list of request and count, oldest
            first), ``counts`` (images by split),
            ``commands`` (list), ``versions`` (by package), ``date``, ``hardware``, ``ids`` (of the images,
            by split), ``settings`` (by run name).

    Returns:
        The path of ``report.html``.

    Raises:
        InputError: No audits, or not one id for each image of a split.

    Example:
        >>> import tempfile, torch
        >>> write_report(tempfile.mkdtemp(), [Audit("original", {}, {}, torch.zeros(0, 0))]).name
        'report.html'
    """
    context = context or {}
    require(bool(audits), "Expected one audit or more, got none. Audit a model first.")
    ids = context.get("ids") or {}
    for audit in audits:
        _require_ids(audit, ids)
    told = _json({key: value for key, value in context.items() if key != "ids"})
    document = {"version": VERSION, "context": told, "audits": [_record(audit, ids) for audit in audits]}
    page = _page(audits, told)
    write_json(Path(folder) / "report.json", document)
    return write_text(Path(folder) / "report.html", page)


def _require_ids(audit: Audit, ids: Mapping[str, Sequence[Any]]) -> None:
    for split, scores in audit.scores.items():
        require(
            split not in ids or len(set(map(str, ids[split]))) == len(ids[split]) == len(scores),
            f"Expected one id for each of the {len(scores)} {split} images of {audit.name}, got "
            f"{len(ids.get(split, ()))} or equal ones. Give distinct ids in the order of the images.",
        )


def _record(audit: Audit, ids: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    record = {
        "name": audit.name,
        "metrics": _json(audit.metrics),
        "scores": {split: _keyed(scores.tolist(), ids.get(split)) for split, scores in audit.scores.items()},
        "forget_alignment": _keyed(audit.alignment.diagonal().tolist(), ids.get("forget")),
    }
    return record | ({"steps": _json(audit.steps)} if audit.steps else {})


def _keyed(values: Sequence[float], ids: Sequence[Any] | None) -> dict[str, float]:
    names = range(len(values)) if ids is None else ids
    return {str(name): round(value, 6) for name, value in zip(names, values, strict=False)}


def _json(value: Any) -> Any:
    """Turn paths and other objects into text and numbers that JSON lacks into null."""
    if isinstance(value, Mapping):
        return {str(key): _json(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def _page(audits: Sequence[Audit], context: Mapping[str, Any]) -> str:
    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    known = {audit.name: audit for audit in audits}
    retrained = known.get(RETRAINED)
    models = [
        {"name": a.name, "sentences": [privacy(a, retrained), verdict(a, retrained), utility(a, retrained)]}
        for a in audits
    ]
    return environment.get_template("report.html.jinja").render(
        context=context,
        models=models,
        question=_question(context),
        rows=_rows(audits, retrained),
        steps=_steps(audits, retrained),
        histograms=_histograms(audits),
        maps=_maps(audits, known.get(ORIGINAL)),
        retrained=retrained is not None,
    )


def _question(context: Mapping[str, Any]) -> str:
    counts, steps = context.get("counts") or {}, context.get("steps")
    return asked_in_steps(steps, counts) if steps else asked(context.get("request") or {}, counts)


class _Cell(NamedTuple):
    text: str
    defined: bool
    gap: float | None
    nearest: bool = False


def _rows(audits: Sequence[Audit], retrained: Audit | None) -> list[dict[str, Any]]:
    shown = [t for t in TERMS if t.key not in _OPTIONAL or any(t.key in a.metrics for a in audits)]
    return [{"term": term, "cells": _cells(term, audits, retrained)} for term in shown]


def _steps(audits: Sequence[Audit], retrained: Audit | None) -> list[dict[str, Any]]:
    """The rows of each step's own share; none where one run forgot everything."""
    tables = []
    for step in range(min(len(audit.steps) for audit in audits)):
        alone = [replace(audit, metrics=audit.steps[step]) for audit in audits]
        reference = None if retrained is None else alone[audits.index(retrained)]
        rows = [{"term": BY_KEY[key], "cells": _cells(BY_KEY[key], alone, reference)} for key in SHARED]
        tables.append({"count": int(audits[0].steps[step]["count"]), "rows": rows})
    return tables


def _cells(term: Term, audits: Sequence[Audit], retrained: Audit | None) -> list[_Cell]:
    values = [audit.metrics.get(term.key) for audit in audits]
    reference = None if retrained is None else retrained.metrics.get(term.key)
    gaps: list[float | None] = [None] * len(audits)
    if reference is not None and term.key not in _NOT_COMPARED:
        gaps = [
            None if value is None or audit is retrained else value - reference
            for value, audit in zip(values, audits, strict=True)
        ]
    nearest = _nearest(values if term.key == "average_gap" else gaps, audits, term.digits)
    return [
        _Cell(term.text(value), value is not None, gap, row in nearest)
        for row, (value, gap) in enumerate(zip(values, gaps, strict=True))
    ]


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


def _histograms(audits: Sequence[Audit]) -> list[dict[str, Any]]:
    scores = [audit.scores for audit in audits]
    limits = score_range(scores)
    top = highest_share(scores, limits)
    drawn = []
    for row, audit in enumerate(audit for audit in audits if audit.scores):
        means = "; ".join(f"{k}: mean {v.mean():.3f} over {len(v)} images" for k, v in audit.scores.items())
        description = f"Histogram of the membership scores of {audit.name}. {means}."
        figure = histogram(audit.scores, limits, top, threshold(audit.scores))
        drawn.append({"name": audit.name, "svg": svg(figure, description, f"h{row}")})
    return drawn


def _maps(audits: Sequence[Audit], original: Audit | None) -> list[dict[str, Any]]:
    if original is None or len(original.alignment) == 0:
        return []
    compared = [a for a in audits if a is not original and a.alignment.shape == original.alignment.shape]
    before = original.alignment[:_MAPPED, :_MAPPED]
    after = [audit.alignment[:_MAPPED, :_MAPPED] for audit in compared]
    limit = max((alignment_gap(before, matrix).abs().max().item() for matrix in after), default=1.0)
    return [
        {
            "name": audit.name,
            "images": len(before),
            "panels": _panels(f"m{row}", audit.name, (before, matrix), limit),
        }
        for row, (audit, matrix) in enumerate(zip(compared, after, strict=True))
    ]


def _panels(prefix: str, name: str, pair: tuple[Tensor, Tensor], limit: float) -> list[dict[str, Any]]:
    matrices = {
        "Before: the original": pair[0],
        "After": pair[1],
        "Gap: before minus after": alignment_gap(*pair),
    }
    panels = []
    for column, (title, matrix) in enumerate(matrices.items()):
        description = (
            f"Alignment of {len(matrix)} forget images, {name}, {title}: mean "
            f"{matrix.diagonal().mean():.3f} on the diagonal, {matrix.mean():.3f} over all pairs."
        )
        figure = heat_map(matrix, limit if column == 2 else None)
        panels.append({"title": title, "svg": svg(figure, description, f"{prefix}p{column}")})
    return panels
