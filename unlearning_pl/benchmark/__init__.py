"""Benchmarks: plans of methods over several seeds, run by the commands that a user would type, and their tables."""

from unlearning_pl.benchmark.job import Command, Job, run_command
from unlearning_pl.benchmark.run_benchmark import benchmark

__all__ = ["Command", "Job", "benchmark", "run_command"]
