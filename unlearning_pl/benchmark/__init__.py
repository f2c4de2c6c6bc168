"""Whole jobs, by the commands that a user would type: plans of methods over several seeds, and their table."""

from unlearning_pl.benchmark.bench import benchmark
from unlearning_pl.benchmark.commands import Command, Job, perform

__all__ = ["Command", "Job", "benchmark", "perform"]
