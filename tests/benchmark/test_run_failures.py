"""A run that crashes is recorded and the others go on; what interrupts it ends everything, with the locks released."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlearning_pl.benchmark import seed_runs
from unlearning_pl.benchmark.job import Job
from unlearning_pl.benchmark.run_claims import run_claims
from unlearning_pl.benchmark.seed_runs import SeedRuns
from unlearning_pl.errors import InputError, PreemptedError
from unlearning_pl.training.progress_log import Progress
from unlearning_pl.training.run_lock import lock_folder, try_lock

JOB = Job("", {"count": 8}, {"tune": "", "scrub": "", "salun": ""})
RUNS = ["original", "retrained", "tune", "scrub", "salun"]


@pytest.fixture(autouse=True)
def _finished_by_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_runs, "is_finished_run", lambda words, run: (run / "finished").is_file())
    monkeypatch.setattr(seed_runs, "is_audited", lambda words, run, models: (run / "finished").is_file())
    monkeypatch.setattr(seed_runs, "can_resume", lambda words, run: False)
    monkeypatch.setattr(seed_runs, "_LOOK", 0.0)


def seed_of(folder: Path) -> SeedRuns:
    return SeedRuns(JOB, 0, folder, Progress("", 6))


def make(seed: SeedRuns, errors: dict[str, BaseException], then: Callable[[str], None] = lambda _: None) -> list[str]:
    """Make the runs of a seed, some of which fail; the names of those that were begun, in order."""
    begun = []

    def command(words: list[str]) -> None:
        run = Path(words[words.index("--output" if words[0] == "audit" else "--run") + 1])
        begun.append(run.name)
        then(run.name)
        if run.name in errors:
            raise errors[run.name]
        run.mkdir(parents=True)
        (run / "finished").touch()

    run_claims([seed], command)
    return begun


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("CUDA error:\n device-side assert"), "RuntimeError: CUDA error: device-side assert."),
        (MemoryError(), "MemoryError: MemoryError."),
        (KeyError("lr"), "KeyError: 'lr'."),
        (AssertionError(), "AssertionError: AssertionError."),
        (InputError("Expected a rate > 0, got -1. Raise it."), "Expected a rate > 0, got -1. Raise it."),
    ],
)
def test_a_crash_is_recorded_and_the_others_go_on(error: Exception, line: str, tmp_path: Path) -> None:
    seed, file = seed_of(tmp_path), tmp_path / "tune.failure.txt"
    assert make(seed, {"tune": error}) == [*RUNS, "audit"]
    assert seed.failures == {"tune": line}
    text = file.read_text()
    assert text.split("\n")[0] == line
    assert ("in command" in text) is not isinstance(error, InputError)  # the traceback of a bug
    (tmp_path / "audit/finished").unlink()
    (tmp_path / "audit").rmdir()
    assert make(again := seed_of(tmp_path), {}) == ["tune", "audit"]
    assert (again.failures, file.exists()) == ({}, False)


def test_nothing_of_a_seed_is_made_after_its_original_crashed(tmp_path: Path) -> None:
    seed = seed_of(tmp_path)
    assert make(seed, {"original": RuntimeError("x")}) == ["original"]
    assert (seed.failures, seed.is_done, seed.outcome().metrics) == ({"original": "RuntimeError: x."}, True, {})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SIGTERMException(), PreemptedError(15, ""), SystemExit(3)])
def test_an_interruption_ends_everything_and_releases_the_run(error: BaseException, tmp_path: Path) -> None:
    seed = seed_of(tmp_path)
    with pytest.raises(type(error)):
        make(seed, {"scrub": error})
    assert not [*tmp_path.glob("*.failure.txt"), *tmp_path.glob(".*.lock")]
    assert make(seed_of(tmp_path), {}) == ["scrub", "salun", "audit"]


def test_a_failure_of_another_benchmark_at_the_same_time_is_not_tried_again(tmp_path: Path) -> None:
    mine, theirs = seed_of(tmp_path), seed_of(tmp_path)
    make(theirs, {"tune": RuntimeError("x")})
    assert make(mine, {}) == []
    assert mine.failures == {"tune": "RuntimeError: x."}
    assert make(seed_of(tmp_path), {}) == ["tune"]  # a later command tries again


def test_a_run_that_another_process_makes_is_left_and_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = try_lock(tmp_path / ".tune.lock")
    assert release is not None

    def end(name: str) -> None:
        if name == "salun":  # everything else is made before
            (tmp_path / "tune").mkdir()
            (tmp_path / "tune/finished").touch()
            release()

    assert make(seed_of(tmp_path), {}, end) == ["original", "retrained", "scrub", "salun", "audit"]
    shown = capsys.readouterr().out
    assert shown.count(f"tune: process {os.getpid()} on ") == 1


def test_a_command_that_outlived_its_benchmark_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = seed_of(tmp_path)
    with lock_folder(tmp_path / "original"):  # as the trainer of that command does
        claim = seed.take()
        assert claim is not None
        assert claim.name == "retrained"
        assert seed.take() is None
        seed.finish("retrained")
    claim = seed.take()
    assert claim is not None
    assert claim.name == "original"
    seed.release()


def test_a_run_with_weights_of_another_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(words: list[str], run: Path) -> bool:
        if run.name == "scrub":
            raise InputError("Expected the weights that the run ended with.")
        return (run / "finished").is_file()

    monkeypatch.setattr(seed_runs, "is_finished_run", refuse)
    seed = seed_of(tmp_path)
    assert make(seed, {}) == ["original", "retrained", "tune", "salun", "audit"]
    assert seed.failures == {"scrub": "Expected the weights that the run ended with."}
