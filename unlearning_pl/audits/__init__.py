"""Audits: metrics of what a model still encodes about the forget set."""

from unlearning_pl.audits.compute import compare, compute_audit, compute_audits
from unlearning_pl.audits.embeddings import Audit, Embeddings
from unlearning_pl.deprecated.old_modules import renamed

__all__ = ["Audit", "Embeddings", "compare", "compute_audit", "compute_audits"]

__getattr__ = renamed("audits", ["audits.compute"])
