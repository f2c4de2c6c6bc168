"""Commands at the same time: how many, what fails, and that nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlearning_pl.cli import job_runner
from unlearning_pl.cli.job_runner import Call, run_jobs, worker_environments

HERE: dict[str, str] = {}


@pytest.fixture(autouse=True)
def _python_in_place_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_runner, "_PROGRAM", [sys.executable, "-S", "-c"])


def calls(log: Path, *scripts: str) -> Iterator[Call]:
    for script in scripts:
        yield Call([script], log)


def worked(jobs: dict[str, Iterator[Call]], count: int) -> dict[str, str | None]:
    ended: dict[str, str | None] = {}
    run_jobs(jobs.items(), [HERE] * count, ended.__setitem__)
    return ended


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_as_there_are_places_work_at_the_same_time(count: int, tmp_path: Path) -> None:
    script = "import time; start = time.time(); time.sleep(0.4); print(start, time.time())"
    jobs = {str(number): calls(tmp_path / str(number), script) for number in range(4)}
    assert worked(jobs, count) == dict.fromkeys("0123")
    spans = [tuple(map(float, (tmp_path / name).read_text().split())) for name in "0123"]
    at_once = [sum(start <= moment < end for start, end in spans) for moment, _ in spans]
    assert max(at_once) <= count
    if count == 1:
        assert max(at_once) == 1
    elif count == 2:
        assert max(at_once) == 2


def test_a_job_that_fails_stops_there_and_the_others_go_on(tmp_path: Path) -> None:
    failing = "print('before'); import sys; sys.exit('unlearning-pl: error: Expected more.')"
    jobs = {
        "bad": calls(tmp_path / "bad", failing, "print('never')"),
        "mute": calls(tmp_path / "mute", "import sys; sys.exit(3)"),
        "good": calls(tmp_path / "good", "print('one')", "print('two')"),
        "idle": calls(tmp_path / "idle"),
    }
    assert worked(jobs, 2) == {"bad": "Expected more.", "mute": "exit code 3", "good": None, "idle": None}
    assert "never" not in (tmp_path / "bad").read_text()
    assert (tmp_path / "good").read_text().split() == ["one", "two"]


def test_a_process_that_is_killed_is_told_by_its_signal_and_not_by_what_others_wrote(tmp_path: Path) -> None:
    (tmp_path / "mute").write_text("unlearning-pl: error: of last week\n")
    jobs = {
        "killed": calls(
            tmp_path / "killed", "print('one')", "import os; print('two', flush=True); os.kill(os.getpid(), 9)"
        ),
        "mute": calls(tmp_path / "mute", "import sys; sys.exit(3)"),
    }
    assert worked(jobs, 2) == {"killed": "ended by SIGKILL", "mute": "exit code 3"}


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_closed_terminal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    script = f"import os; os.kill({os.getpid()}, {int(signal.SIGHUP)}); print('done')"
    try:
        assert worked({"a": calls(tmp_path / "a", script)}, 1) == {"a": None}
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGTERM, SIGTERMException), (signal.SIGINT, KeyboardInterrupt)]
    + [(number, SIGTERMException) for number in signal.Signals if number.name == "SIGHUP"],
)
def test_a_signal_stops_all_processes(number: signal.Signals, error: type[BaseException], tmp_path: Path) -> None:
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    # Tests that are started in the background of a shell, or by nohup, are deaf to some.
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    before = signal.getsignal(number)
    logs = [tmp_path / name for name in "ab"]

    def interrupt() -> None:
        while not all(log.exists() and log.read_text().strip() for log in logs):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(error):
        worked({log.name: calls(log, script, "print('never')") for log in logs}, 2)
    thread.join()
    for log in logs:
        with pytest.raises(ProcessLookupError):
            os.kill(int(log.read_text()), 0)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SIGTERMException), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_at_the_start_of_a_process_stops_it_too(
    number: signal.Signals, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It arrives when the process exists and the list of processes to stop does not have it yet."""
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    start, started = job_runner._start, []

    def interrupted(call: Call, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        started.append(start(call, environment))
        os.kill(os.getpid(), number)
        return started[-1]

    monkeypatch.setattr(job_runner, "_start", interrupted)
    with pytest.raises(error):
        worked({"a": calls(tmp_path / "a", "import time; time.sleep(60)")}, 1)
    assert [process.poll() is not None for process in started] == [True]


@pytest.mark.parametrize(("number", "error"), [(signal.SIGTERM, SIGTERMException), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_after_the_last_look_is_not_lost(number: signal.Signals, error: type[BaseException]) -> None:
    handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    signal.signal(number, handler)
    with pytest.raises(error), job_runner._deferred_signals():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is handler


def test_who_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(job_runner, "_GRACE", 0.3)
    deaf = "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"

    def breaks() -> Iterator[Call]:
        while not (tmp_path / "deaf").exists() or not (tmp_path / "deaf").read_text().strip():
            yield Call(["import time; time.sleep(0.1)"], tmp_path / "other")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        worked({"deaf": calls(tmp_path / "deaf", deaf), "breaks": breaks()}, 2)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "deaf").read_text()), 0)


def test_places_share_out_cores_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(job_runner.torch.cuda, "device_count", lambda: 0)
    assert worker_environments(16) == [{"OMP_NUM_THREADS": "1"}] * 8
    assert worker_environments(16, 3) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert worker_environments(4) == [{"OMP_NUM_THREADS": "2"}] * 4
    monkeypatch.setattr(job_runner.torch.cuda, "device_count", lambda: 2)
    assert [place["CUDA_VISIBLE_DEVICES"] for place in worker_environments(16)] == ["0", "1"]
    assert [place["CUDA_VISIBLE_DEVICES"] for place in worker_environments(16, 3)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert worker_environments(16) == [{"OMP_NUM_THREADS": "3", "CUDA_VISIBLE_DEVICES": gpu} for gpu in "57"]


def test_a_process_gets_its_place(tmp_path: Path) -> None:
    script = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    run_jobs([("a", calls(tmp_path / "a", script))], [{"CUDA_VISIBLE_DEVICES": "9"}], lambda *_: None)
    assert (tmp_path / "a").read_text().strip() == "9"


def test_a_job_that_cannot_start_yet_leaves_its_worker_free_for_others(tmp_path: Path) -> None:
    """The second job waits for the end of the first; the third does not."""
    ended: dict[str, str | None] = {}

    def queue() -> Iterator[tuple[str, Iterator[Call]] | None]:
        yield "first", calls(tmp_path / "first", "import time; time.sleep(0.5); print(time.time())")
        yield "third", calls(tmp_path / "third", "import time; print(time.time())")
        while "first" not in ended:
            yield None
        yield "second", calls(tmp_path / "second", "import time; print(time.time())")

    run_jobs(queue(), [HERE] * 2, ended.__setitem__)
    assert ended == dict.fromkeys(["first", "second", "third"])
    first, second, third = (float((tmp_path / name).read_text()) for name in ("first", "second", "third"))
    assert third < first < second


def test_a_worker_asks_again_when_no_job_can_start(tmp_path: Path) -> None:
    ended: dict[str, str | None] = {}
    run_jobs([None, None, ("a", calls(tmp_path / "a", "print('made')"))], [HERE], ended.__setitem__)
    assert (ended, (tmp_path / "a").read_text()) == ({"a": None}, "made\n")
