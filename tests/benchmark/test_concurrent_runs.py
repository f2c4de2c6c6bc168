"""Runs of a benchmark at the same time, as child processes."""

import json
import os
import sys
from pathlib import Path

import pytest

from unlearning_pl.benchmark import run_claims, seed_runs
from unlearning_pl.benchmark.job import Job
from unlearning_pl.benchmark.run_claims import run_concurrently
from unlearning_pl.benchmark.seed_runs import SeedRuns
from unlearning_pl.cli import job_runner
from unlearning_pl.training.progress_log import Progress

JOB = Job("", {"count": 8}, {"tune": "", "scrub": "", "salun": ""})
RUNS = ["original", "retrained", "tune", "scrub", "salun", "audit"]
FAKE = """
import json, os, pathlib, signal, sys, time
words = sys.argv[1:]
run = pathlib.Path(words[words.index("--output" if words[0] == "audit" else "--run") + 1])
run.mkdir(parents=True)
start = time.time()
print("begun", flush=True)
if run.name == "tune":
    os.kill(os.getpid(), signal.SIGKILL)
if run.name == "scrub" and run.parent.name == "seed1":
    sys.exit("RuntimeError: no kernel")
time.sleep(0.3)
place = os.environ["CUDA_VISIBLE_DEVICES"]
(run / "finished").write_text(json.dumps([start, time.time(), place, words]))
"""


def test_runs_at_the_same_time_follow_their_originals_and_a_killed_one_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed_runs, "is_finished_run", lambda words, run: (run / "finished").is_file())
    monkeypatch.setattr(seed_runs, "is_audited", lambda words, run, models: (run / "finished").is_file())
    monkeypatch.setattr(seed_runs, "can_resume", lambda words, run: False)
    monkeypatch.setattr(job_runner, "_PROGRAM", [sys.executable, "-S", "-c", FAKE])
    monkeypatch.setattr(job_runner.torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    ended: list[int] = []
    seeds = [SeedRuns(JOB, seed, tmp_path / f"seed{seed}", Progress("", 12)) for seed in (0, 1)]
    run_concurrently(seeds, 3, lambda: ended.append(sum(one.is_done for one in seeds)))
    assert seeds[0].failures == {"tune": "ended by SIGKILL"}
    assert seeds[1].failures == {"tune": "ended by SIGKILL", "scrub": "RuntimeError: no kernel"}
    assert ended[-1] == 2
    spans = {}
    for path in tmp_path.glob("seed*/*/finished"):
        spans[path.parent.parent.name, path.parent.name] = json.loads(path.read_text())
    assert len(spans) == 9
    for seed in ("seed0", "seed1"):
        for (one, name), (start, *_) in spans.items():
            assert one != seed or name in ("original", "retrained") or spans[seed, "original"][1] <= start
        assert (
            max(end for (one, name), (_, end, *_) in spans.items() if one == seed and name != "audit")
            <= (spans[seed, "audit"][0])
        )
        assert "tune" not in " ".join(spans[seed, "audit"][3])
    at_once = [sum(start <= moment < end for start, end, *_ in spans.values()) for moment, *_ in spans.values()]
    assert 2 <= max(at_once) <= 3
    assert {place for _, _, place, _ in spans.values()} == {"0", "1"}
    assert (tmp_path / "seed0/tune.log").read_text() == "begun\n"
    log = tmp_path / "seed1/scrub.log"
    assert (tmp_path / "seed1/scrub.failure.txt").read_text() == f"RuntimeError: no kernel\n\nOutput: {log}\n"
    assert not [*tmp_path.rglob("*.lock")]
    assert os.environ.get("CUDA_VISIBLE_DEVICES") is None


def test_no_more_workers_than_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers: list[int] = []
    monkeypatch.setattr(run_claims, "run_jobs", lambda jobs, environments, end: workers.append(len(environments)))
    run_concurrently([SeedRuns(JOB, seed, tmp_path, Progress("", 12)) for seed in (0, 1)], 10**6)
    assert workers == [12]
