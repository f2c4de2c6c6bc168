"""What a notebook shows of audits."""

import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from audited import audited

from unlearning_pl import notebook
from unlearning_pl.audits import Audit
from unlearning_pl.evaluation.audit_outcome import AuditReport
from unlearning_pl.report.notebook_table import notebook_table


def audit(name: str, **metrics: float) -> Audit:
    return Audit(name, {"membership_auc": 0.6912, **metrics}, {}, None)


def test_a_report_is_a_table_with_a_column_per_model() -> None:
    html = AuditReport(
        [audit("ac"), audit("original", test_accuracy=91.25)], Path("runs/ac/audit/report.html")
    )._repr_html_()
    assert [html.count(f"<th>{name}</th>") for name in ("ac", "original")] == [1, 1]
    assert html.count("0.691") == 2
    assert 'href="runs/ac/audit/report.html"' in html


def test_each_unlearned_model_has_its_verdict_and_no_reference_has_one() -> None:
    html = notebook_table(audited({"ac": 0.5, "original": 1.0, "retrained": 0.0}))
    assert re.findall(r"<p>(\w+): \w", html) == ["ac"]


def test_a_report_is_still_a_pair() -> None:
    audits, page = AuditReport([audit("ac")], Path("page"))
    assert (audits[0].name, page) == ("ac", Path("page"))


def test_names_cannot_be_markup() -> None:
    html = notebook_table([audit("<script>\x1b[2J</script>")])
    assert "<script>" not in html
    assert "\x1b" not in html


def test_a_running_notebook_shows_audits_and_hides_advertisement(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {}
    formatter = SimpleNamespace(for_type_by_name=lambda module, name, show: shown.update({(module, name): show}))
    shell = SimpleNamespace(display_formatter=SimpleNamespace(formatters={"text/html": formatter}))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    log = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    monkeypatch.setattr(log, "filters", [])
    notebook.install()
    assert "0.691" in shown[Audit.__module__, Audit.__name__](audit("ac"))
    tip = log.makeRecord(log.name, logging.INFO, "", 0, "💡 Tip: buy", (), None)
    assert not log.filter(tip)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))
    shown.clear()
    notebook.install()  # IPython is imported, but nothing runs in it
    assert not shown
