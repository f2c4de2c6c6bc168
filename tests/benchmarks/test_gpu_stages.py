"""Stages share a budget; one that fails or runs out of time ends with all that it started, and stops no other."""

import doctest
import os
import sys
import time
from pathlib import Path

import gpu_stages
import pytest
from gpu_stages import Outcome, Stage, run_stage


def run(code: str, left: float, folder: Path, stage: Stage | None = None) -> Outcome:
    stage = stage or Stage("a, b", [])
    stage.command = [sys.executable, "-c", code]
    return run_stage(stage, left, folder, folder, os.environ)


def test_the_doctests() -> None:
    assert doctest.testmod(gpu_stages).failed == 0


def test_a_stage_passes_with_what_it_says_or_its_last_line(tmp_path: Path) -> None:
    said = run("print('one'); print('two')", 60, tmp_path)
    assert (said.result, said.detail, said.failed) == ("passed", "two", False)
    assert (tmp_path / "a_b.log").read_text() == "one\ntwo\n"
    assert run("print('one')", 60, tmp_path, Stage("a", [], lambda: "figures")).detail == "figures"


def test_a_stage_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    def without_file() -> str:
        return (tmp_path / "missing.json").read_text()

    failed = run("raise SystemExit('no GPU')", 60, tmp_path, Stage("a", [], without_file))
    assert (failed.result, failed.detail, failed.failed) == ("failed", "no GPU", True)


@pytest.mark.parametrize("for_rest", [False, True])
def test_a_stage_that_runs_out_of_time_ends_with_its_children(
    for_rest: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_stages, "LEAST", 0.0)
    beats = tmp_path / "beats"
    deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    beat = f"{deaf}while True: open({str(beats)!r}, 'a').write('.'); time.sleep(0.05)"
    code = f"import subprocess, sys\nprint('started', flush=True)\nsubprocess.run([sys.executable, '-c', {beat!r}])"
    stopped = run(code, 1.5, tmp_path, Stage("a", [], for_rest=for_rest))
    assert (stopped.result, stopped.detail, stopped.failed) == ("stopped", "started", not for_rest)
    size = beats.stat().st_size
    time.sleep(0.3)
    assert 0 < beats.stat().st_size == size


@pytest.mark.parametrize("for_rest", [False, True])
def test_a_stage_without_time_is_not_started(for_rest: bool, tmp_path: Path) -> None:
    outcome = run("open('made', 'w')", 1.0, tmp_path, Stage("a", [], for_rest=for_rest))
    assert (outcome.result, outcome.failed) == ("not started", not for_rest)
    assert not (tmp_path / "made").exists()


def test_a_stage_that_cannot_run_is_skipped_with_a_reason(tmp_path: Path) -> None:
    outcome = run_stage(Stage("a", [], lambda: "no such option"), 60, tmp_path, tmp_path, os.environ)
    assert (outcome.result, outcome.detail, outcome.failed) == ("skipped", "no such option", False)
