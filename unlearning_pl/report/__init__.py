"""Reports of audits: terminal table, HTML page, JSON and TensorBoard. It reads results and computes no metric."""

from unlearning_pl.report.audit_table import step_table, table
from unlearning_pl.report.html_page import write_report
from unlearning_pl.report.report_json import read_report
from unlearning_pl.report.tensorboard import log_to_tensorboard

__all__ = ["log_to_tensorboard", "read_report", "step_table", "table", "write_report"]
