"""The report of an audit: an HTML page for readers without an ML background, and the same numbers as JSON."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unlearning_pl.audits.compare_models import is_broken
from unlearning_pl.audits.embeddings import ORIGINAL, RETRAINED, Audit, is_retrained
from unlearning_pl.errors import printable, require
from unlearning_pl.io import write_json, write_text
from unlearning_pl.report.comparison_rows import find_audit, metric_groups, step_groups
from unlearning_pl.report.first_screen import first_screen, model_tag, unlearned_first
from unlearning_pl.report.metric_terms import BY_KEY, MAIN, TERMS
from unlearning_pl.report.per_class import class_groups
from unlearning_pl.report.report_json import build_report
from unlearning_pl.report.run_settings import read_run_settings
from unlearning_pl.report.sections import KINDS, Card
from unlearning_pl.report.templates import open_template
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict
from unlearning_pl.report.wording import (
    describe_alignment,
    describe_request,
    describe_steps,
    describe_utility,
)

_MAX_OPEN = 6
"""With more models than this the page folds their cards."""


def write_report(
    folder: str | Path, audits: Sequence[Audit], context: Mapping[str, Any] | None = None, page: bool = True
) -> Path:
    """Write ``report.html`` and ``report.json`` into ``folder``; each write is atomic.

    ``report.schema.json`` in this package is the JSON Schema of ``report.json``; docs/report.md explains it.

    Args:
        folder: Output folder, created if it does not exist.
        audits: As :func:`unlearning_pl.audits.compute.compare` returns them; the page shows the
            first that is neither the original nor retrained before all others, and broken ones after the others.
        context: Background for the reader, every key optional: ``title``, ``dataset``, ``fingerprint``,
            ``request`` (its fields by name) or ``steps`` (list of request and count, oldest first) or ``question``
            (the same as a sentence), ``conclusion`` (sentences below the verdict), ``counts`` (images by split),
            ``class_names`` (list), ``commands`` (list), ``versions`` (by package), ``date``, ``hardware``,
            ``precision``, ``processes``, ``audit`` (its own settings, by name), ``seeds`` (by run name), ``settings``
            (by run name), ``models`` (address of each model, by name), ``notes`` (sentences on the weights of a model,
            by its name), ``ids`` (of the images, by split).
        page: Whether to write ``report.html``; that of an earlier audit is removed otherwise.

    Returns:
        The path of ``report.html``, or of ``report.json`` without it.

    Raises:
        InputError: If there are no audits, or the given ids of a split are not distinct or not one per image.

    Example:
        >>> import tempfile, torch
        >>> write_report(tempfile.mkdtemp(), [Audit("original", {}, {}, torch.zeros(0, 0))]).name
        'report.html'
    """
    require(bool(audits), "Expected one audit or more, got none. Audit a model first.")
    audits = unlearned_first(sorted(audits, key=is_broken))
    content = build_report(audits, context or {})
    path = Path(folder) / "report.html"
    html = printable(_render_page(audits, content["context"]), keep="\n\t") if page else None
    write_json(path.with_suffix(".json"), content)
    if html is None:
        path.unlink(missing_ok=True)
        return path.with_suffix(".json")
    return write_text(path, html)


def _render_page(audits: Sequence[Audit], context: Mapping[str, Any]) -> str:
    classes, hidden = class_groups(audits, context.get("class_names") or ())
    return open_template("report.html.jinja").render(
        context=context,
        question=context.get("question") or _question(context),
        first=first_screen(audits),
        conclusion=context.get("conclusion") or "",
        models=_model_cards(audits, context),
        folded=len(audits) > _MAX_OPEN,
        main=metric_groups(audits, MAIN),
        further=metric_groups(audits, BY_KEY.keys() - MAIN),
        steps=step_groups(audits),
        figures={kind.__name__: _draw_section(kind, audits) for kind in KINDS},
        classes=classes,
        hidden_classes=hidden,
        terms=[term for term in TERMS if any(term.key in audit.metrics for audit in audits)],
        splits={split for audit in audits for split in audit.scores},
        retrained=find_audit(audits, RETRAINED) is not None,
        references=sum(is_retrained(audit.name) for audit in audits),
        intervals=any(audit.intervals for audit in audits),
    )


def _question(context: Mapping[str, Any]) -> str:
    counts, steps = context.get("counts") or {}, context.get("steps")
    return describe_steps(steps, counts) if steps else describe_request(context.get("request") or {}, counts)


def _model_cards(audits: Sequence[Audit], context: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cards of the models: settings of the run, and the result in sentences."""
    original, references = find_audit(audits, ORIGINAL), [audit for audit in audits if is_retrained(audit.name)]
    settings, addresses = context.get("settings") or {}, context.get("models") or {}
    notes = context.get("notes") or {}
    return [
        {
            "name": audit.name,
            "made": read_run_settings(audit.name, settings.get(audit.name) or {}),
            "place": addresses.get(audit.name),
            "tag": model_tag(audit),
            "note": notes.get(audit.name, ""),
            "verdict": [describe_verdict(audit), describe_attack(audit), describe_power(audit)],
            "rest": [
                describe_alignment(audit, original, references),
                describe_utility(audit, references),
            ],
        }
        for audit in audits
    ]


def _draw_section(kind: Callable[[Sequence[Audit]], list[Card]], audits: Sequence[Audit]) -> list[dict[str, Any]]:
    return [
        {"title": card.title or card.name, "note": card.note, "panels": card.panels(f"{kind.__name__}{row}")}
        for row, card in enumerate(kind(audits))
    ]
