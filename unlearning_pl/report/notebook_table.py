"""Audits as a notebook shows them: the verdicts, and the main metrics of the report as a table."""

from collections.abc import Sequence
from pathlib import Path

from unlearning_pl.audits.embeddings import ORIGINAL, Audit, is_retrained
from unlearning_pl.errors import printable
from unlearning_pl.report.comparison_rows import metric_groups
from unlearning_pl.report.metric_terms import MAIN
from unlearning_pl.report.templates import open_template
from unlearning_pl.report.verdict_wording import describe_attack, describe_power, describe_verdict


def notebook_table(audits: Sequence[Audit], page: Path | None = None) -> str:
    """HTML of audits: a verdict for each unlearned model, and a column per model.

    Args:
        audits: The audits.
        page: Report to link to.

    Example:
        >>> "0.690" in notebook_table([Audit("ac", {"membership_auc": 0.69}, {}, None)])
        True
    """
    judged = [audit for audit in audits if audit.name != ORIGINAL and not is_retrained(audit.name)]
    html = open_template("notebook.html.jinja").render(
        sentences=[_sentence(audit) for audit in judged if audit.verdict is not None],
        names=[audit.name for audit in audits],
        groups=metric_groups(audits, MAIN),
        page=page and page.as_posix(),
    )
    return printable(html, keep="\n")


def _sentence(audit: Audit) -> str:
    parts = (describe_verdict(audit), describe_attack(audit), describe_power(audit))
    return f"{audit.name}: {' '.join(filter(None, parts))}"
