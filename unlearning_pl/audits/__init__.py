"""Audits: what a model still knows of the images that it was to forget."""

from unlearning_pl.audits.base import Audit, Embeddings
from unlearning_pl.audits.judge import compare, judge, judge_all

__all__ = ["Audit", "Embeddings", "compare", "judge", "judge_all"]
