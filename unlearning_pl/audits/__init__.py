"""Audits: what a model still knows of the images that it was to forget."""

from unlearning_pl.audits.compute import compare, compute_audit, compute_audits
from unlearning_pl.audits.embeddings import Audit, Embeddings

__all__ = ["Audit", "Embeddings", "compare", "compute_audit", "compute_audits"]
