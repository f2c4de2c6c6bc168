"""Several commands at a time, each a process of its own, until all are done or one signal stops them all."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

_PROGRAM = [sys.executable, "-m", "unlearning_pl"]
_GRACE = 30.0
"""Seconds that a process has to end after it was told to."""


class Call(NamedTuple):
    """One command to run.

    Attributes:
        words: The command and its options.
        log: What it says is added to this file.
    """

    words: Sequence[str]
    log: Path


Job = Iterator[Call]
"""Commands one after the other; each is asked for when the one before it is done."""
Told = Callable[[str, str | None], None]
"""Told of each job that ends: its name, and why it failed or None."""


def worker_environments(jobs: int, processes: int | None = None) -> list[dict[str, str]]:
    """The environment of each process that works at the same time.

    A GPU each, where there are any, else a core each; more processes share GPUs, and fewer share out the cores. An
    ``OMP_NUM_THREADS`` that is set already stays.

    Args:
        jobs: Number of jobs; there is no use in more processes.
        processes: Number of processes; one for each GPU or core when not given.

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


def run_jobs(jobs: Mapping[str, Job], environments: Sequence[Mapping[str, str]], told: Told) -> None:
    """Work on several jobs at a time, one for each environment; one that fails leaves the others alone.

    Args:
        jobs: Commands by the name of the job.
        environments: What each process adds to the environment, see :func:`worker_environments`.
        told: Called at the end of each job.

    Raises:
        SIGTERMException: On SIGTERM, or SIGHUP where it exists and is not ignored. This, Ctrl-C and any other error
            stop the processes first.
    """
    waiting = deque(jobs.items())
    at_work: list[subprocess.Popen[bytes]] = []
    workers = [_work(waiting, environment, told, at_work) for environment in environments]
    with _signals_raise():
        try:
            while workers:
                workers = [worker for worker in workers if next(worker, None) is not None]
                time.sleep(0.05)
        finally:
            _stop(at_work)


def _work(
    waiting: deque[tuple[str, Job]], environment: Mapping[str, str], told: Told, at_work: list[subprocess.Popen[bytes]]
) -> Iterator[bool]:
    """Take one job after the other; yields while a command of it runs."""
    while waiting:
        name, job = waiting.popleft()
        failure = None
        for call in job:
            before = call.log.stat().st_size if call.log.exists() else 0
            process = _start(call, environment)
            at_work.append(process)
            while process.poll() is None:
                yield True
            at_work.remove(process)
            if process.returncode:
                failure = _reason(process.returncode, call.log, before)
                break
        told(name, failure)


def _start(call: Call, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    call.log.parent.mkdir(parents=True, exist_ok=True)
    with call.log.open("ab") as log:
        # In a session of its own, since Ctrl-C must reach it through us alone
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
    end = time.monotonic() + _GRACE
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end what is within by an exception, so that nothing is left running."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise SIGTERMException

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # what is ignored stays so: nohup ignores SIGHUP
    before = {number: now for number in numbers if (now := signal.getsignal(number)) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _reason(code: int, log: Path, start: int) -> str:
    """Why a command ended: by which signal, else the last line that it wrote behind ``start`` bytes."""
    if code < 0:
        names = {number.value: number.name for number in signal.Signals}
        return f"ended by {names.get(-code, f'signal {-code}')}"
    written = log.read_bytes()[start:].decode("utf-8", errors="replace") if log.exists() else ""
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    return lines[-1].removeprefix("unlearning-pl: error: ") if lines else f"exit code {code}"
