"""Runs that processes share by locks: killed at any moment or two at once, none is made twice and none is lost."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = ["original", "retrained", "retrained_2", "tune", "scrub", "salun"]

FAKES = '''
"""A command that leaves a file a run, and a line for its start and its end in a journal."""
import fcntl, os, random, shlex, signal, sys, time
from pathlib import Path
from unlearning_pl.benchmark import run_claims as module
from unlearning_pl.benchmark import seed_runs
from unlearning_pl.benchmark.job import Job
from unlearning_pl.benchmark.run_claims import run_claims
from unlearning_pl.benchmark.seed_runs import SeedRuns
from unlearning_pl.training.progress_log import Progress

folder = Path(sys.argv[1])
job = Job("", {"count": 8}, {"tune": "", "scrub": "", "salun": ""}, references=2)
module._PAUSE, seed_runs._LOOK = 0.005, 0.005
seed_runs.is_finished_run = lambda words, run: (run / "finished").is_file()
seed_runs.is_audited = lambda words, run, models: (run / "finished").is_file()
seed_runs.can_resume = lambda words, run: (run / "begun").is_file()

def note(line):
    with (folder / "journal").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{line}\\n")

def fake(words):
    run = Path(words[words.index("--output" if words[0] == "audit" else "--run") + 1])
    name = f"{run.parent.name}/{run.name}"
    run.mkdir(parents=True, exist_ok=True)
    if words[0] == "unlearn":
        assert (run.parent / "original/finished").is_file()
    note(f"begin {name} {os.getpid()} {words[-1]}")
    (run / "begun").touch()
    time.sleep(random.uniform(0.005, 0.03))
    (run / "finished").touch()
    note(f"end {name} {os.getpid()}")

def start(number):
    process = os.fork()
    if process:
        return process
    random.seed(number)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        progress = Progress("", 1)
        seeds = [SeedRuns(job, seed, folder / f"seed{seed}", progress) for seed in (0, 1)]
        run_claims(seeds, fake)
        os._exit(0 if all(one.is_done for one in seeds) else 3)
    finally:
        os._exit(4)

def wait(processes):
    for process in processes:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if code:
            sys.exit(code)

def begun():
    journal = folder / "journal"
    return journal.read_text().count("begin") if journal.exists() else 0

base, moments = folder, random.Random(0)
(folder := base / "killed").mkdir()
for number in range(20):
    before = begun()
    process = start(number)
    # Every second one is killed in a run or soon after it, however long a busy machine takes to get there.
    while number % 2 and begun() == before and len([*folder.rglob("finished")]) < 14:
        time.sleep(0.001)
    time.sleep(moments.uniform(0.0, 0.03))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    note(f"killed {process}")
wait([start(20)])
(folder := base / "five").mkdir()
wait([start(number) for number in range(5)])
(folder := base / "two").mkdir()
wait([start(number) for number in range(2)])
'''
EVERY = sorted(f"seed{seed}/{name}" for seed in (0, 1) for name in [*RUNS, "audit"])
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    words = [sys.executable, "-W", "ignore", "-c", FAKES, str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def journal(folder: Path) -> list[list[str]]:
    """Lines of a folder: begin, end and killed."""
    return [line.split() for line in (folder / "journal").read_text().splitlines()]


def test_a_benchmark_killed_twenty_times_loses_at_most_the_run_in_progress(made: Path) -> None:
    lines, finished, lost, running = journal(made / "killed"), set(), 0, ""
    assert sum(line[0] == "killed" for line in lines) == 20
    for what, name, *_ in lines:
        if what == "begin":
            assert (name in finished, running) == (False, "")
            running = name
            continue
        if what == "end":
            assert name == running
            finished.add(name)
        else:
            lost += running != ""
        running = ""
    assert all((made / "killed" / name / "finished").is_file() for name in EVERY)
    assert sum(line[0] == "begin" for line in lines) <= len(EVERY) + lost
    assert lost >= 5  # kills are inside of runs
    assert [line for line in lines if line[0] == "begin" and line[-1] == "last"]  # and are resumed


@pytest.mark.parametrize("count", ["two", "five"])
def test_several_benchmarks_at_once_make_each_run_once_and_share_them(count: str, made: Path) -> None:
    begun = [line for line in journal(made / count) if line[0] == "begin"]
    assert sorted(name for _, name, *_ in begun) == EVERY
    assert len({process for _, _, process, *_ in begun}) > 1
    assert not [*(made / count).rglob("*.lock")]
