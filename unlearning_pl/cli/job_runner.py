"""Run commands in parallel, one process each, until all have ended or a signal stops all of them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

_PROGRAM = [sys.executable, "-m", "unlearning_pl"]
_GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for a process that does not end."""


class Call(NamedTuple):
    """One command to run.

    Attributes:
        words: The command and its options.
        log: File to which the output of the command is appended.
    """

    words: Sequence[str]
    log: Path


Job = Iterator[Call]
"""Commands in sequence; the runner asks for the next one when the previous one has ended."""
OnJobEnd = Callable[[str, str | None], None]
"""Callback at the end of each job: receives its name, and the reason why it failed or None."""


def worker_environments(jobs: int, processes: int | None = None) -> list[dict[str, str]]:
    """Environment variables of each worker process.

    Each worker gets one GPU if there are any, else one core. More workers than GPUs share GPUs; fewer workers than
    cores get several threads each. An ``OMP_NUM_THREADS`` that is already set stays unchanged.

    Args:
        jobs: Number of jobs, an upper bound for the number of workers.
        processes: Number of workers; one for each GPU or core when not given.

    Example:
        >>> len(worker_environments(jobs=2, processes=8))
        2
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    number = torch.cuda.device_count()
    gpus = visible.split(",")[:number] if visible else [str(gpu) for gpu in range(number)]
    count = max(1, min(jobs, processes or len(gpus) or cores))
    threads = os.environ.get("OMP_NUM_THREADS", str(max(1, cores // count)))
    shared = {"OMP_NUM_THREADS": threads}
    return [shared | ({"CUDA_VISIBLE_DEVICES": gpus[row % len(gpus)]} if gpus else {}) for row in range(count)]


def run_jobs(
    jobs: Iterable[tuple[str, Job] | None], environments: Sequence[Mapping[str, str]], on_job_end: OnJobEnd
) -> None:
    """Run jobs in parallel, one worker per environment; a job that fails does not affect the others.

    Args:
        jobs: Names of the jobs and their commands. A free worker takes the next one. None means that no job can
            start now; the worker asks again.
        environments: Variables that each worker adds to the environment, see :func:`worker_environments`.
        on_job_end: Called at the end of each job.

    Raises:
        SIGTERMException: On SIGTERM, or on SIGHUP if it exists and is not ignored. This exception, Ctrl-C and any other
            error propagate after all processes have been stopped.
    """
    queue = iter(jobs)
    running: list[subprocess.Popen[bytes]] = []
    workers = [_work(queue, environment, on_job_end, running) for environment in environments]
    try:
        with _deferred_signals() as raise_received:
            while workers:
                workers = [worker for worker in workers if next(worker, None) is not None]
                time.sleep(0.05)
                raise_received()
    finally:  # a second Ctrl-C interrupts the waiting
        _stop(running)


def _work(
    queue: Iterator[tuple[str, Job] | None],
    environment: Mapping[str, str],
    on_job_end: OnJobEnd,
    running: list[subprocess.Popen[bytes]],
) -> Iterator[bool]:
    """Run jobs from the queue in sequence; yields while a command runs, or no job can start."""
    for next_job in queue:
        if next_job is None:
            yield True
            continue
        (name, job), failure = next_job, None
        for call in job:
            log_size = call.log.stat().st_size if call.log.exists() else 0
            process = _start(call, environment)
            running.append(process)
            while process.poll() is None:
                yield True
            running.remove(process)
            if process.returncode:
                failure = _reason(process.returncode, call.log, log_size)
                break
        on_job_end(name, failure)


def _start(call: Call, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    call.log.parent.mkdir(parents=True, exist_ok=True)
    with call.log.open("ab") as log:
        # A new session, because the terminal would otherwise send Ctrl-C to the process too
        return subprocess.Popen(
            [*_PROGRAM, *call.words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _deferred_signals() -> Iterator[Callable[[], None]]:
    """Defer SIGTERM, SIGHUP (a closed terminal) and Ctrl-C until the yielded function is called, which raises for them.

    A handler that raised at once could do so after a process has started and before it is among those to stop.
    """
    received: list[int] = []

    def raise_received() -> None:
        if received:
            raise KeyboardInterrupt if received[0] == signal.SIGINT else SIGTERMException

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield raise_received
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGINT") if hasattr(signal, name)]
    # ignored signals stay ignored: nohup ignores SIGHUP
    handlers = {number: now for number in numbers if (now := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield raise_received
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    raise_received()  # of a signal after the last call


def _reason(code: int, log: Path, start: int) -> str:
    """Reason of a failure: the signal, else the last line of the log after the first ``start`` bytes."""
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"ended by {names.get(-code, f'signal {-code}')}"
    output = log.read_bytes()[start:].decode("utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1].removeprefix("unlearning-pl: error: ") if lines else f"exit code {code}"
