"""One process writes a run folder; others are refused before anything changes, and told of it."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from filelock import FileLock
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError, StorageError
from unlearning_pl.training import run_lock, runs
from unlearning_pl.training import trainer as trainer_module
from unlearning_pl.training.run_lock import LOCK, check_writer, lock_folder, require_not_training, writing_process
from unlearning_pl.training.weights import load_weights

HOLDER = """
import sys, time
from pathlib import Path
from unlearning_pl.training.run_lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _brief_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "_WAIT", 0.1)
    monkeypatch.setattr(run_lock, "_PROBE", 0.1)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that writes the folder ``run``."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "run"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_lock_of_a_killed_process_is_taken_over(holder: "subprocess.Popen[str]", tmp_path: Path) -> None:
    owner = f"process {holder.pid} on "
    assert (writing_process(tmp_path / "run") or "").startswith(owner)
    with pytest.raises(InputError, match=rf"run, which {owner}\S+ writes now.*choose another `run`"):
        lock_folder(tmp_path / "run").__enter__()
    with pytest.raises(InputError, match=rf"which still trains \({owner}"):
        require_not_training(tmp_path / "run")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()  # it could not tidy up
    assert writing_process(tmp_path / "run") is None
    with lock_folder(tmp_path / "run"):
        assert (writing_process(tmp_path / "run") or "").startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_folder_is_left_as_it_was(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "new/run"):
        assert [path.name for path in (tmp_path / "new/run").iterdir()] == [LOCK]
    assert not (tmp_path / "new").exists()
    (tmp_path / "kept").mkdir()
    with lock_folder(tmp_path / "kept"):
        pass
    with lock_folder(tmp_path / "filled/run"):
        (tmp_path / "filled/run/split.json").touch()
    assert [*(tmp_path / "kept").iterdir()] == []
    assert [path.name for path in (tmp_path / "filled/run").iterdir()] == ["split.json"]


def test_an_error_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock_folder(tmp_path / "run"):
        raise KeyError
    assert not (tmp_path / "run").exists()


def test_a_writer_that_is_about_to_end_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "_WAIT", 10)
    first = FileLock(tmp_path / LOCK, thread_local=False)
    first.acquire()
    threading.Timer(0.1, first.release).start()
    with lock_folder(tmp_path):
        assert not first.is_locked


def test_a_file_system_without_locks_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.warns(UserWarning, match=r"cannot be locked \(No locks available\)"), lock_folder(tmp_path):
        pass


def test_a_folder_that_another_run_took_over_is_noticed(tmp_path: Path) -> None:
    with lock_folder(tmp_path / "run"):
        check_writer(tmp_path / "run")
        shutil.rmtree(tmp_path / "run")
        check_writer(tmp_path / "run")  # the checkpoint itself reports a folder that is gone
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / LOCK).write_text("17\nelsewhere\n")
        with pytest.raises(StorageError, match=r"it was removed, and process 17 on elsewhere writes another run"):
            check_writer(tmp_path / "run")
    assert (tmp_path / "run" / LOCK).exists()  # it is not ours


@pytest.mark.parametrize("options", [{"overwrite": True}, {"ckpt_path": "auto"}, {"ckpt_path": "last"}])
def test_a_second_run_is_refused_and_changes_nothing(options: dict[str, Any], tmp_path: Path) -> None:
    ckpt_path, run = options.get("ckpt_path"), tmp_path / "run"
    make_trainer(run, max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())
    with lock_folder(run):
        before = content(run)
        trainer = make_trainer(run, max_epochs=3, overwrite=ckpt_path is None)
        with pytest.raises(InputError, match=f"process {os.getpid()} on .* writes now"):
            trainer.fit(make_learner("SimCLR"), datamodule=make_data(), ckpt_path=ckpt_path)
        assert content(run) == before


def test_a_run_holds_its_lock_until_its_record_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: list[str | None] = []

    class Noting(Callback):
        def on_train_start(self, *_: Any) -> None:
            owners.append(writing_process(tmp_path / "run"))
            with pytest.raises(InputError, match="still trains"):
                load_weights(make_learner("SimCLR"), tmp_path / "run")
            with pytest.raises(InputError, match="still trains"):
                runs.read_record(tmp_path / "run")

    trainer = make_trainer(tmp_path / "run", max_epochs=1, callbacks=[Noting()])
    monkeypatch.setattr(trainer_module, "write_record", lambda run, facts: owners.append(writing_process(run)))
    trainer.fit(make_learner("SimCLR"), datamodule=make_data())
    assert [owner is not None for owner in owners] == [True, True]
    assert writing_process(tmp_path / "run") is None


@pytest.mark.parametrize(
    "words",
    [
        "predict --run run",
        "test --run run",
        "validate --run run",
        "unlearn --original run --forget.count 3",
        "audit --model run",
        "serve --run run",
        "split --original run --forget.count 3",
    ],
)
def test_every_reader_says_that_a_run_still_trains(
    words: str, trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained.parent)
    with lock_folder(trained):
        assert main([*words.split(), "--allow", "tiny"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert f"got run, which still trains (process {os.getpid()} on " in lines[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    digits = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16"
    quiet = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
    assert main(f"fit --model SimCLR --model.backbone resnet9_slim {digits} {quiet} --run {run}".split()) == 0
    return run


def test_a_signal_between_steps_releases_the_lock(tmp_path: Path) -> None:
    def raising(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR2, raising)
    try:
        with pytest.raises(KeyboardInterrupt), lock_folder(tmp_path / "run"):
            signal.raise_signal(signal.SIGUSR2)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert not (tmp_path / "run").exists()


def test_a_lock_that_may_only_be_read_is_seen(
    holder: "subprocess.Popen[str]", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(run_lock, "FileLock", refuse)  # as for the lock file of another user
    assert writing_process(tmp_path / "run") == f"process {holder.pid} on {socket.gethostname()}"
    holder.kill()
    holder.wait()
    assert writing_process(tmp_path / "run") is None
