"""Commands that share a budget of seconds: each gets the rest, at most its fraction; its output goes to a file."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PASSED, FAILED, STOPPED, NOT_STARTED, SKIPPED = "passed", "failed", "stopped", "not started", "skipped"
LEAST = 5.0
"""Seconds left under which no stage starts."""


@dataclass
class Stage:
    """A command of which the table has a line.

    Args:
        name: Its name; ``name`` with underscores for spaces is the stem of its files.
        command: Program and arguments; none for a stage that cannot run, which ``detail`` explains.
        describe: Makes a sentence of the folder after the command has ended.
        for_rest: Whether to be stopped by the budget is no failure: the stage is there for the time that is left.
        fraction: The largest part of the budget that it may take, so that the ones after it can start.
    """

    name: str
    command: list[str]
    describe: Callable[[], str] = lambda: ""
    for_rest: bool = False
    fraction: float = 1.0


@dataclass
class Outcome:
    """What became of a stage."""

    name: str
    result: str
    seconds: float = 0.0
    detail: str = ""
    command: list[str] = field(default_factory=list)
    failed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def stem(name: str) -> str:
    return name.replace(" ", "_").replace(",", "").lower()


def run_stage(stage: Stage, left: float, folder: Path, root: Path, environment: Mapping[str, str]) -> Outcome:
    """Run a command for at most ``left`` seconds."""
    if not stage.command:
        return Outcome(stage.name, SKIPPED, detail=stage.describe())
    if left < LEAST:
        return Outcome(stage.name, NOT_STARTED, 0.0, "no time was left", stage.command, failed=not stage.for_rest)
    start, log = time.monotonic(), folder / f"{stem(stage.name)}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            stage.command, cwd=root, env=dict(environment), stdout=file, stderr=file, start_new_session=True
        )
        try:
            status: int | None = process.wait(timeout=left)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_group(process)
    result = STOPPED if status is None else PASSED if status == 0 else FAILED
    failed = result == FAILED or (result == STOPPED and not stage.for_rest)
    detail = explain(stage, log, result)
    return Outcome(stage.name, result, time.monotonic() - start, detail, stage.command, failed)


def end_group(process: "subprocess.Popen[bytes]", grace: float = 5.0) -> None:
    """End a command and the processes that it started."""
    with suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def explain(stage: Stage, log: Path, result: str) -> str:
    """What the stage says of itself; else, or if it did not pass, the last line of its log."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it printed nothing"
    said = ""
    with suppress(OSError, ValueError, KeyError):  # a file that a failed command has not written
        said = stage.describe()
    return said if result == PASSED and said else "; ".join(filter(None, [said, last]))


def table(outcomes: list[Outcome]) -> str:
    """One line a stage.

    Example:
        >>> print(table([Outcome("tests", "passed", 3.21, "4 passed")]))
        stage                    result       seconds
        tests                    passed           3.2  4 passed
    """
    lines = [f"{'stage':25}{'result':12}{'seconds':>8}"]
    lines += [f"{row.name:25}{row.result:12}{row.seconds:8.1f}  {row.detail}" for row in outcomes]
    return "\n".join(lines)
