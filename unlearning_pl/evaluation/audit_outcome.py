"""What an audit of runs leaves behind: its report, and the figures beside the curves of each run."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.audits import Audit
from unlearning_pl.errors import require
from unlearning_pl.report import log_to_tensorboard, write_report
from unlearning_pl.report.notebook_table import notebook_table
from unlearning_pl.report.trackers import check_tracker, log_to_tracker, tracker_error
from unlearning_pl.training.run_record import read_record


class AuditReport(NamedTuple):
    """Audits of several runs, and the path of their HTML page; a notebook shows a table.

    Attributes:
        audits: The audits; empty on ranks other than 0.
        page: Path of the page, or of ``report.json`` without a page.
    """

    audits: list[Audit]
    page: Path

    def _repr_html_(self) -> str:
        return notebook_table(self.audits, self.page)


def write_audits(
    folder: Path,
    named: Mapping[str, str],
    audits: Sequence[Audit],
    context: Mapping[str, Any],
    trackers: bool = False,
    page: bool = True,
) -> Path:
    """Write the report, and log each audit beside the curves of its run.

    Args:
        folder: Folder of the report.
        named: Run folder of each model, by its name.
        audits: The audits.
        context: Background of the report.
        trackers: Whether to log to MLflow and Weights & Biases, too, where the training of a run did.
        page: Whether to draw the page, and pictures for TensorBoard.

    Returns:
        The path of the HTML page, or of ``report.json`` without one.
    """
    report = write_report(folder, audits, context, page)
    for audit in audits:
        run = named[audit.name]
        if os.access(run, os.W_OK):
            settings = context["settings"][audit.name]
            log_to_tensorboard(run, audit, settings=settings, references=audits, pictures=page)
        else:  # for example another user's original
            rank_zero_warn(f"{run} is not writable: its audit is not logged to TensorBoard.")
        if trackers:
            _log_to_trackers(run, audit, report)
    return report


def check_trackers(runs: Iterable[str]) -> None:
    """Check, before an audit of some runs, that one of them is at a tracker, and that the trackers' packages are here.

    Raises:
        InputError: If no training of these runs was logged to MLflow or Weights & Biases, or one is not installed.
    """
    names = [name for run in runs for name in _trackers(run)]
    require(
        len(names) > 0,
        "Expected a run that was trained under MLflow or Weights & Biases with trackers = true, got none. Leave it "
        "out, or train with one of their loggers.",
    )
    for name in names:
        check_tracker(name)


def _log_to_trackers(run: str, audit: Audit, page: Path) -> None:
    """Log an audit to each tracker of a run; the report is written already, and a tracker that fails is a warning."""
    for name in _trackers(run):
        try:
            log_to_tracker(name, audit, page)
        except Exception as error:  # of any kind: no network, no login, or a run that was deleted there
            rank_zero_warn(f"The audit of {run} is in {page}, but not at {name}: {tracker_error(error)}.")


def _trackers(run: str) -> list[str]:
    names: list[str] = read_record(run).get("trackers", [])
    return names
