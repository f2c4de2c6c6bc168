"""Audits: metrics of what a model still encodes about the forget set."""

from unlearning_pl.audits.compare_models import by_distance, compare
from unlearning_pl.audits.compute import compute_audit, compute_audits
from unlearning_pl.audits.embeddings import Audit, Embeddings
from unlearning_pl.deprecated.old_modules import renamed

__all__ = ["Audit", "Embeddings", "by_distance", "compare", "compute_audit", "compute_audits"]

__getattr__ = renamed("audits", ["audits.compute"])
