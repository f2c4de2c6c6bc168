"""Audits: metrics of what a model still encodes about the forget set."""

from unlearning_pl.audits.compute import compare, compute_audit, compute_audits
from unlearning_pl.audits.embeddings import Audit, Embeddings
from unlearning_pl.deprecated import renamed

__all__ = ["Audit", "Embeddings", "compare", "compute_audit", "compute_audits"]

__getattr__ = renamed("unlearning_pl.audits.compute")
