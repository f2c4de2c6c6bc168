"""What an audit leaves behind, whatever happens to the trackers of its runs."""

import json
from pathlib import Path

import pytest
import torch

from unlearning_pl.audits import Audit
from unlearning_pl.errors import InputError
from unlearning_pl.evaluation import audit_outcome, audit_report
from unlearning_pl.evaluation.audit_outcome import check_trackers, write_audits


def record(run: Path, *trackers: str) -> str:
    """A run folder with a record alone."""
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"seconds": 1.0, "command": [], "trackers": [*trackers]}))
    return str(run)


def test_a_tracker_that_fails_is_a_line_and_the_report_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, logged = record(tmp_path / "ng", "mlflow:1", "mlflow:2"), []

    def log(name: str, audit: Audit, page: Path) -> None:
        logged.append((name, audit.name, page))
        if name == "mlflow:1":
            raise ConnectionError("<html>\n\x1b[2JNo server.")

    monkeypatch.setattr(audit_outcome, "log_to_tracker", log)
    audits, context = [Audit("ng", {"membership_auc": 0.6}, {}, torch.eye(2))], {"settings": {"ng": {}}}
    with pytest.warns(UserWarning, match="but not at mlflow:1") as caught:
        page = write_audits(tmp_path / "audit", {"ng": run}, audits, context, trackers=True)
    assert [str(warning.message) for warning in caught] == [
        rf"The audit of {run} is in {page}, but not at mlflow:1: <html> \x1b[2JNo server."
    ]
    assert logged == [("mlflow:1", "ng", page), ("mlflow:2", "ng", page)]
    assert page.is_file()
    assert [*Path(run).rglob("events.*")]
    logged.clear()
    write_audits(tmp_path / "audit", {"ng": run}, audits, context)
    assert logged == []


def test_trackers_are_checked_before_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = record(tmp_path / "untracked")
    monkeypatch.setattr(audit_report, "check_runs", lambda *_: ({"untracked": run}, None))
    with pytest.raises(InputError, match="Expected a run that was trained under MLflow"):
        audit_report.audit_runs([run], trackers=True)
    with pytest.raises(InputError, match="Expected page = true with trackers = true, got false"):
        audit_report.audit_runs([run], trackers=True, page=False)
    with pytest.raises(InputError, match="Expected a run that was trained under MLflow or Weights"):
        check_trackers([record(tmp_path / "a"), record(tmp_path / "b")])
    with pytest.raises(InputError, match=r"got 'os:x'\. Audit without"):
        check_trackers([record(tmp_path / "c"), record(tmp_path / "d", "os:x")])
