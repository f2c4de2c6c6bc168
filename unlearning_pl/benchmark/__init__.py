"""Whole jobs, by the commands that a user would type: plans of methods over several seeds, and their table."""

from unlearning_pl.benchmark.bench import benchmark
from unlearning_pl.benchmark.commands import Command, Job, check_alone, perform

__all__ = ["Command", "Job", "benchmark", "check_alone", "perform"]
