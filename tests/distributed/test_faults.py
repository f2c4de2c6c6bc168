"""Jobs of two processes that meet with an accident: they end soon, in one clear line, with their last checkpoint."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from torch.distributed import DistError, TCPStore

from unlearning_pl.cli.exit_status import exit_status, should_report
from unlearning_pl.errors import InputError

LONG = (
    "fit --model SimCLR --model.backbone resnet9_slim --data.source Digits --data.source.train_size 48 "
    "--data.source.image_size 8 --data.batch_size 16 --trainer.accelerator cpu --trainer.max_epochs 100000 "
    "--trainer.devices 2 --trainer.strategy ddp --trainer.enable_progress_bar false"
)
pytestmark = pytest.mark.ddp


def children(process: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def until(there: Path, job: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not there.exists():
        assert job.poll() is None, job.communicate()[1][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A job of two processes in the middle of its training, in a session of its own."""
    words = [sys.executable, "-m", "unlearning_pl", *LONG.split(), "--run", str(tmp_path / "run")]
    job = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        until(tmp_path / "run/checkpoints/last.ckpt", job)
        yield job
    finally:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_ends_the_job_with_a_line(job: subprocess.Popen[str]) -> None:
    os.kill(children(job.pid)[0], signal.SIGKILL)
    _, said = job.communicate(timeout=60)
    # Lightning, which started the other, looks after it every five seconds, and may be first to notice.
    ours = "unlearning-pl: error: Lost the other processes of the job" in said and job.returncode == 1
    assert ours or ("terminated with code -9" in said and job.returncode == -signal.SIGKILL)


def test_a_port_in_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(DistError) as caught:
            TCPStore("127.0.0.1", port, is_master=True, timeout=timedelta(seconds=5))
    code, line = exit_status(caught.value)
    assert code == 1
    assert line.startswith(f"Expected a free port, got {port}")


@pytest.mark.parametrize(("named", "told"), [("interactive", True), ("train", False)])
def test_a_mistake_of_a_process_that_a_shell_of_slurm_started_is_told(
    named: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOCALID": "0", "NTASKS": "1", "JOB_NAME": named}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("unlearning_pl.cli.exit_status.rank", lambda: 1)
    assert should_report(InputError()) == told


@pytest.mark.slow
def test_the_others_end_when_the_first_is_killed(job: subprocess.Popen[str]) -> None:
    other = children(job.pid)[0]
    os.kill(job.pid, signal.SIGKILL)
    _, said = job.communicate(timeout=60)  # until the other has closed the pipe too
    assert "unlearning-pl: error: rank 1: Lost the other processes of the job" in said
    assert not Path(f"/proc/{other}").exists() or "Z" in Path(f"/proc/{other}/stat").read_text().split()[2]


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both(job: subprocess.Popen[str]) -> None:
    os.kill(children(job.pid)[0], signal.SIGTERM)
    _, said = job.communicate(timeout=60)
    assert said.count("Stopped by SIGTERM") == 1
    assert job.returncode == 143
