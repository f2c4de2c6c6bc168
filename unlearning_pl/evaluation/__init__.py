"""Evaluation of finished runs: the audit of run folders, and relearning time."""
