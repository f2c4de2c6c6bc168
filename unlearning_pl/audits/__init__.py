"""Audits: what a model still knows of the images that it was to forget."""

from unlearning_pl.audits.base import Audit, Embeddings
from unlearning_pl.audits.judge import compare, judge
from unlearning_pl.audits.report import write_report
from unlearning_pl.audits.table import step_table, table
from unlearning_pl.audits.tensorboard import log_to_tensorboard

__all__ = ["Audit", "Embeddings", "compare", "judge", "log_to_tensorboard", "step_table", "table", "write_report"]
