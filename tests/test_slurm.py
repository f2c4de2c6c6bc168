"""The scripts of docker/slurm with stand-ins for SLURM's commands; `make slurm` submits them to a real one."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / "docker/slurm"
STAND_INS = {
    "srun": """printf '%s\n' "$@" >>words
        trap : USR1
        echo $$ >task
        sleep 0.2 & wait $!
        while [[ -e slow ]]; do sleep 0.02; done
        echo saved >>said
        exit ${CODE-0}""",
    "scancel": 'echo "$@" >>said; kill -USR1 "$(cat task)"; exit 1',  # as where the controller is slow to answer
    "scontrol": 'echo "$@" >>said',
}
JOB = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2", "UNLEARNING_PL": "apptainer exec it"}
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def started(place: Path, script: str, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
    """The script in a folder, under way."""
    for name, text in STAND_INS.items():
        (place / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (place / name).chmod(0o755)
    environment = {**os.environ, **JOB, **variables, "PATH": f"{place}:{os.environ['PATH']}"}
    process = subprocess.Popen(["bash", SCRIPTS / script, *words], cwd=place, env=environment)
    until(lambda: (place / "task").exists() and (place / "task").read_text() != "")
    return process


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("script", ["train.sbatch", "benchmark_array.sbatch"])
def test_a_job_is_requeued_when_its_tasks_have_saved(script: str, tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    (tmp_path / "said").touch()
    process = started(tmp_path, script, CODE="138")
    for times in (1, 2):  # SLURM's own, and somebody's who did not wait
        process.send_signal(signal.SIGUSR1)
        until(lambda times=times: len((tmp_path / "said").read_text().splitlines()) == times)
    time.sleep(0.1)
    (tmp_path / "slow").unlink()
    assert process.wait(20) == 138
    asked = ["--signal=USR1 5_2"]
    assert (tmp_path / "said").read_text().splitlines() == [*asked, *asked, "saved", "requeue 5_2"]


@pytest.mark.parametrize(("code", "asked"), [("0", True), ("1", False)])
def test_a_job_is_over_when_it_is_done_or_fails_by_itself(code: str, asked: bool, tmp_path: Path) -> None:
    process = started(tmp_path, "train.sbatch", "fit", CODE=code)
    if asked:
        process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == int(code)
    assert "requeue" not in (tmp_path / "said").read_text()


def test_what_would_begin_anew_is_left_to_end(tmp_path: Path) -> None:
    process = started(tmp_path, "train.sbatch", "audit")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 0
    assert (tmp_path / "said").read_text() == "saved\n"


@pytest.mark.parametrize(
    ("script", "given", "run"),
    [
        ("train.sbatch", ["fit", "--run", "a 'b' $c *"], ["fit", "--run", "a 'b' $c *", "--ckpt_path", "auto"]),
        ("train.sbatch", ["unlearn", "--ckpt_path=last"], ["unlearn", "--ckpt_path=last"]),
        ("train.sbatch", ["audit", "--model", "runs/fit x"], ["audit", "--model", "runs/fit x"]),
        ("benchmark_array.sbatch", ["plan of ours.yaml"], ["benchmark", "plan of ours.yaml", "--seeds", "2"]),
    ],
)
def test_words_arrive_as_they_were_given(script: str, given: list[str], run: list[str], tmp_path: Path) -> None:
    assert started(tmp_path, script, *given).wait(20) == 0
    assert (tmp_path / "words").read_text().splitlines() == ["--kill-on-bad-exit=1", "apptainer", "exec", "it", *run]
