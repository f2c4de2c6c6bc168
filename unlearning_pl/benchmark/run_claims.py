"""Make the runs of several seeds that no other process makes, one after the other or several at the same time."""

import shlex
import time
from collections.abc import Callable, Iterator, Sequence

from unlearning_pl.benchmark.job import Command, print_command, run_command
from unlearning_pl.benchmark.run_failure import describe_failure
from unlearning_pl.benchmark.seed_runs import Claim, SeedRuns
from unlearning_pl.cli.job_runner import Call, Job, run_jobs, worker_environments

_PAUSE = 0.1
"""Seconds between two looks for a run that can start, while other processes make all that remain."""
OnSeedEnd = Callable[[], None]
"""Callback when all runs of a seed, or of several, are finished or failed."""


def claims(seeds: Sequence[SeedRuns], on_seed_end: OnSeedEnd) -> Iterator[Claim | None]:
    """Take one run after the other; yields None if none can start at the moment, and ends when none remains.

    Args:
        seeds: The runs, in the order of execution.
        on_seed_end: Called when all runs of a seed are finished or failed.
    """
    remaining = [*seeds]
    while remaining:
        claim = next((claim for one in remaining if (claim := one.take()) is not None), None)
        ended = [one for one in remaining if one.is_done]
        remaining = [one for one in remaining if one not in ended]
        if ended:
            on_seed_end()
        if claim is not None or remaining:
            yield claim


def run_claims(
    seeds: Sequence[SeedRuns],
    command: Command,
    recorded: type[Exception] | tuple[type[Exception], ...] = Exception,
    on_seed_end: OnSeedEnd = lambda: None,
) -> None:
    """Make all runs that are not finished in this process, one after the other.

    Args:
        seeds: The runs.
        command: Runs one command line, given as a list of words.
        recorded: Exceptions that are recorded as the failure of their run; others propagate, and so do interruptions.
        on_seed_end: Called when all runs of a seed are finished or failed.
    """
    try:
        for claim in claims(seeds, on_seed_end):
            if claim is None:
                time.sleep(_PAUSE)
                continue
            try:
                run_command(claim.line, command)
            except recorded as error:
                claim.seed.finish(claim.name, *describe_failure(error, shlex.split(claim.line)[0]))
            else:
                claim.seed.finish(claim.name)
    finally:
        for one in seeds:
            one.release()


def run_concurrently(seeds: Sequence[SeedRuns], processes: int, on_seed_end: OnSeedEnd = lambda: None) -> None:
    """Make all runs that are not finished in child processes, each with one GPU if there are any.

    A child that fails or is killed is the failure of its run; ``NAME.log`` beside the run has the output of each child.

    Args:
        seeds: The runs.
        processes: Number of runs at the same time.
        on_seed_end: Called when all runs of a seed are finished or failed.
    """
    running: dict[str, Claim] = {}

    def jobs() -> Iterator[tuple[str, Job] | None]:
        for claim in claims(seeds, on_seed_end):
            if claim is None:
                yield None
                continue
            print_command(claim.line)
            log = claim.seed.folder / f"{claim.name}.log"
            running[str(log)] = claim
            yield str(log), iter([Call(shlex.split(claim.line), log)])

    def end(log: str, failure: str | None) -> None:
        claim = running.pop(log)
        claim.seed.finish(claim.name, failure, "" if failure is None else f"Output: {log}\n")

    commands = sum(one.job.command_count for one in seeds)
    try:
        run_jobs(jobs(), worker_environments(commands, processes), end)
    finally:
        for one in seeds:
            one.release()
