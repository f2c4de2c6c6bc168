"""The script of docker/slurm with stand-ins for SLURM's commands; `make slurm` submits it to a real one."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "docker/slurm/train.sbatch"
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
JOB = {"SLURM_JOB_ID": "7", "UNLEARNING_PL": "apptainer exec it"}
ARRAY = {"SLURM_ARRAY_JOB_ID": "5", "SLURM_ARRAY_TASK_ID": "2"}
ARRAY |= {
    f"SLURM_ARRAY_TASK_{name}": value for name, value in (("MIN", "0"), ("MAX", "4"), ("COUNT", "5"), ("STEP", "1"))
}
STEPS = {**ARRAY, "SLURM_ARRAY_TASK_ID": "7"} | {f"SLURM_ARRAY_TASK_{name}": "3" for name in ("STEP", "COUNT")}
STEPS |= {"SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "7"}
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def begun(place: Path, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
    """The script in a folder."""
    for name, text in STAND_INS.items():
        (place / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
        (place / name).chmod(0o755)
    environment = {**os.environ, **JOB, **variables, "PATH": f"{place}:{os.environ['PATH']}"}
    with (place / "log").open("w") as log:
        return subprocess.Popen(["bash", SCRIPT, *words], cwd=place, env=environment, stderr=log)


def started(place: Path, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
    """The same, with its task under way."""
    process = begun(place, *words, **variables)
    until(lambda: (place / "task").exists() and (place / "task").read_text() != "")
    return process


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("command", "array", "job"), [("fit", {}, "7"), ("benchmark", ARRAY, "5_2")], ids=["fit", "benchmark"]
)
def test_a_job_is_requeued_when_its_tasks_have_saved(
    command: str, array: dict[str, str], job: str, tmp_path: Path
) -> None:
    (tmp_path / "slow").touch()
    (tmp_path / "said").touch()
    process = started(tmp_path, command, CODE="138", **array)
    for times in (1, 2):  # SLURM's own, and somebody's who did not wait
        process.send_signal(signal.SIGUSR1)
        until(lambda times=times: len((tmp_path / "said").read_text().splitlines()) == times)
    time.sleep(0.1)
    (tmp_path / "slow").unlink()
    assert process.wait(20) == 138
    asked = [f"--signal=USR1 {job}"]
    assert (tmp_path / "said").read_text().splitlines() == [*asked, *asked, "saved", f"requeue {job}"]


@pytest.mark.parametrize(("code", "asked"), [("0", True), ("1", False)])
def test_a_job_is_over_when_it_is_done_or_fails_by_itself(code: str, asked: bool, tmp_path: Path) -> None:
    process = started(tmp_path, "fit", CODE=code)
    if asked:
        process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == int(code)
    assert "requeue" not in (tmp_path / "said").read_text()


def test_what_would_begin_anew_is_left_to_end(tmp_path: Path) -> None:
    process = started(tmp_path, "audit")
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 0
    assert (tmp_path / "said").read_text() == "saved\n"


@pytest.mark.parametrize(
    ("restarts", "age", "run", "again"),
    [("3", 60, "run", False), ("3", -60, "run", True), ("3", -60, "~/run", True), ("2", 60, "run", True)],
    ids=["vain", "new", "home", "early"],
)
def test_what_leaves_nothing_is_not_repeated_for_ever(
    restarts: str, age: int, run: str, again: bool, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere/checkpoints").mkdir(parents=True)
    (tmp_path / "run").symlink_to("elsewhere")
    checkpoint = tmp_path / "run/checkpoints/last.ckpt"
    checkpoint.touch()
    os.utime(checkpoint, (time.time() - age,) * 2)
    variables = {"SLURM_RESTART_COUNT": restarts, "HOME": str(tmp_path)}
    process = started(tmp_path, "fit", f"--run={run}", CODE="138", **variables)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(20) == 138
    assert ("requeue 7" in (tmp_path / "said").read_text()) == again
    assert ("Expected a checkpoint in run before the time is up" in (tmp_path / "log").read_text()) != again


@pytest.mark.parametrize(
    ("words", "variables", "line"),
    [
        ("fit --run a", ARRAY, "Expected no --array for fit"),
        ("benchmark a.yaml", {"SLURM_NTASKS": "4"}, "Expected --ntasks-per-node=1 --gpus-per-node=1 for a benchmark"),
    ],
    ids=["array", "tasks"],
)
def test_tasks_that_would_write_into_one_folder_are_refused(
    words: str, variables: dict[str, str], line: str, tmp_path: Path
) -> None:
    assert begun(tmp_path, *words.split(), **variables).wait(20) == 2
    assert (tmp_path / "log").read_text().startswith(line)
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize(
    ("given", "array", "run"),
    [
        (["fit", "--run", "a 'b' $c *"], {}, ["fit", "--run", "a 'b' $c *", "--ckpt_path", "auto"]),
        (["unlearn", "--ckpt_path=last"], {}, ["unlearn", "--ckpt_path=last"]),
        (["audit", "--model", "runs/fit x"], {}, ["audit", "--model", "runs/fit x"]),
        (["benchmark", "plan of ours.yaml"], ARRAY, ["benchmark", "plan of ours.yaml", "--share", "3/5"]),
        (["benchmark", "a.yaml"], STEPS, ["benchmark", "a.yaml", "--share", "3/3"]),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_words_arrive_as_they_were_given(
    given: list[str], array: dict[str, str], run: list[str], tmp_path: Path
) -> None:
    assert started(tmp_path, *given, **array).wait(20) == 0
    options = ["--kill-on-bad-exit=1", "--wait=0"]
    assert (tmp_path / "words").read_text().splitlines() == [*options, "apptainer", "exec", "it", *run]
