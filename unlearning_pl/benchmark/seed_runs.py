"""The runs of one seed: which are finished, which can start, which failed; processes share them by a lock a run."""

import shlex
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from unlearning_pl.benchmark.benchmark_table import Outcome
from unlearning_pl.benchmark.job import ORIGINAL, Job
from unlearning_pl.benchmark.run_failure import FailureFile
from unlearning_pl.cli.finished_runs import RESUME_OPTIONS, can_resume, is_audited, is_finished_run
from unlearning_pl.errors import InputError
from unlearning_pl.report import read_report
from unlearning_pl.report.terminal import open_console
from unlearning_pl.training import runs
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_owner, try_lock, writing_process

AUDIT = "audit"
_LOOK = 0.5
"""Seconds between two looks at a run that another process makes."""


class Claim(NamedTuple):
    """A run that this process has to make, and whose lock it holds until :meth:`SeedRuns.finish`.

    Attributes:
        seed: The runs of its seed.
        name: Name of the run, or ``audit``.
        line: Command line to run.
    """

    seed: "SeedRuns"
    name: str
    line: str


class SeedRuns:
    """The runs of one seed of a plan, in the order of execution: original, retrained models, methods, audit.

    Args:
        job: The commands.
        seed: Seed of weights, batches and the request.
        folder: Folder of the runs.
        progress: Counts the commands.
        only: Methods to run; all if None. The audit has those of the others that are finished.
    """

    def __init__(
        self, job: Job, seed: int, folder: Path, progress: Progress, only: Collection[str] | None = None
    ) -> None:
        self.job, self.seed, self.folder, self._progress = job, seed, folder, progress
        self.lines = job.runs(seed, str(folder))
        self.references = [ORIGINAL, *job.retrained]
        self.failures: dict[str, str] = {}
        chosen = [name for name in job.methods if only is None or name in only]
        self._pending = [*self.references, *chosen, AUDIT]
        self._files = {name: FailureFile(folder / f"{name}.failure.txt") for name in (*self.lines, AUDIT)}
        self._finished: set[str] = set()
        self._audited: list[str] = []
        self._locks: dict[str, Callable[[], None]] = {}
        self._next_look: dict[str, float] = {}

    @property
    def is_done(self) -> bool:
        """Whether every run is finished or failed, by whichever process."""
        return not self._pending and not self._locks

    def take(self) -> Claim | None:
        """Take the next run that can start and that no other process makes; None if there is none at the moment."""
        for name in [*self._pending]:
            if name in self._pending and self._can_start(name) and self._lock(name):
                line = self._remaining_line(name)
                if line is not None:
                    self._files[name].remove()
                    return Claim(self, name, line)
        return None

    def finish(self, name: str, failure: str | None = None, details: str = "", kept: bool = False) -> None:
        """End a run that this process has the lock of: finished, kept as it was, or failed.

        Args:
            name: Name of the run.
            failure: Why it failed; None if it is finished.
            details: Traceback of the failure.
            kept: Whether nothing was run.
        """
        if failure is None:
            self._files[name].remove()
            self._finished.add(name)
        else:
            self.failures[name] = failure
            if not kept:
                self._files[name].write(failure, details)
            text = f"{name} failed: {failure}"
            open_console().print(text, soft_wrap=True, highlight=False, markup=False)
        self._pending = [one for one in self._pending if one != name]
        if failure is not None and name in self.references:
            self._pending = []  # nothing can be audited without it
        self._locks.pop(name)()
        self._progress.finish_round(kept)

    def release(self) -> None:
        """Release the locks of runs that were interrupted."""
        while self._locks:
            self._locks.popitem()[1]()

    def outcome(self) -> Outcome:
        """The metrics of every audited model, and the errors of the others."""
        if not self._audited or AUDIT not in self._finished:
            return Outcome(self.seed, {}, self.failures, [])
        records = [runs.read_record(self.folder / name) for name in (*self.references, *self._audited)]
        audits = read_report(self.folder / AUDIT / "report.json")["audits"]
        verdicts = {audit["name"]: audit["verdict"]["kind"] for audit in audits if "verdict" in audit}
        metrics = {audit["name"]: audit["metrics"] for audit in audits}
        return Outcome(self.seed, metrics, self.failures, records, verdicts)

    def _can_start(self, name: str) -> bool:
        if name in self._locks or time.monotonic() < self._next_look.get(name, 0.0):
            return False
        return self._pending == [AUDIT] if name == AUDIT else name in self.references or ORIGINAL in self._finished

    def _lock(self, name: str) -> bool:
        path = self.folder / f".{name}.lock"
        release = try_lock(path)
        owner = lock_owner(path) if release is None else writing_process(self.folder / name)
        if release is not None and owner is None:
            self._locks[name] = release
            return True
        if release is not None:  # a command that outlived its benchmark
            release()
        if name not in self._next_look:
            text = f"{self.folder / name}: {owner} makes it; waiting for it where nothing else remains."
            open_console().print(text, soft_wrap=True, highlight=False, markup=False)
        self._next_look[name] = time.monotonic() + _LOOK
        return False

    def _remaining_line(self, name: str) -> str | None:
        """The command to run; None if the run is finished or failed in another process, which is then noted."""
        try:
            kept = self._is_audited() if name == AUDIT else self._is_finished(name)
        except InputError as error:  # weights other than those that the run ended with
            self.finish(name, " ".join(str(error).split()))
            return None
        failure = None if kept else self._files[name].read_new()
        if kept or failure is not None:
            self.finish(name, failure, kept=True)
            return None
        line = self._audit_line() if name == AUDIT else self.lines[name]
        resumed = name != AUDIT and can_resume(shlex.split(line), self._run(name))
        return shlex.join([*shlex.split(line), *RESUME_OPTIONS]) if resumed else line

    def _run(self, name: str) -> Path:
        return self.folder / name

    def _is_finished(self, name: str) -> bool:
        return is_finished_run(shlex.split(self.lines[name]), self._run(name))

    def _audit_line(self) -> str:
        return self.job.report(str(self.folder), self._audited)

    def _is_audited(self) -> bool:
        """Whether the audit of all finished methods is there; without a finished method there is none to make."""
        self._audited = [name for name in self.job.methods if name in self._finished or self._was_finished(name)]
        models = [self._run(name) for name in (*self.references, *self._audited)]
        return not self._audited or is_audited(shlex.split(self._audit_line()), self._run(AUDIT), models)

    def _was_finished(self, name: str) -> bool:
        """Whether a method is finished that this command did not finish: another one did, or it was not asked for."""
        if self._files[name].read() is not None or not self._is_finished(name):
            return False
        self.failures.pop(name, None)
        return True
