"""What an audit of runs leaves behind: its report, and the figures beside the curves of each run."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.utilities import rank_zero_warn

from unlearning_pl.audits import Audit
from unlearning_pl.report import log_to_tensorboard, write_report
from unlearning_pl.report.notebook_table import notebook_table
from unlearning_pl.report.trackers import log_to_tracker
from unlearning_pl.training.run_record import read_record


class AuditReport(NamedTuple):
    """Audits of several runs, and the path of their HTML page; a notebook shows a table.

    Attributes:
        audits: The audits; empty on ranks other than 0.
        page: Path of the page.
    """

    audits: list[Audit]
    page: Path

    def _repr_html_(self) -> str:
        return notebook_table(self.audits, self.page)


def write_audits(
    folder: Path, named: Mapping[str, str], audits: Sequence[Audit], context: Mapping[str, Any], trackers: bool = False
) -> Path:
    """Write the report, and log each audit beside the curves of its run.

    Args:
        folder: Folder of the report.
        named: Run folder of each model, by its name.
        audits: The audits.
        context: Background of the report.
        trackers: Whether to log to MLflow and Weights & Biases, too, where the training of a run did.

    Returns:
        The path of the HTML page.
    """
    page = write_report(folder, audits, context)
    for audit in audits:
        run = named[audit.name]
        for tracked in read_record(run).get("trackers", []) if trackers else []:
            log_to_tracker(tracked, audit, page)
        if not os.access(run, os.W_OK):  # for example another user's original
            rank_zero_warn(f"{run} is not writable: its audit is not logged to TensorBoard.")
            continue
        log_to_tensorboard(run, audit, settings=context["settings"][audit.name], references=audits)
    return page
