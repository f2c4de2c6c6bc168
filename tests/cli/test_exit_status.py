"""What a command offers after an interruption or a full disk: a remedy that makes sense for it."""

import errno
import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from unlearning_pl.cli.exit_status import exit_status
from unlearning_pl.commands import main as command_line
from unlearning_pl.commands.main import COMMANDS, TRAINING, main
from unlearning_pl.errors import PreemptedError

DIGITS = "--data.source tiny.FewDigits --data.source.train_size 48 --data.source.image_size 8"
QUIET = "--data.batch_size 16 --trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
FIT = f"fit --model SimCLR --model.backbone resnet9_slim {DIGITS} {QUIET}"


@pytest.mark.parametrize("command", [*COMMANDS, *TRAINING])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "a.json"),
        KeyboardInterrupt(),
        SIGTERMException(),
        PreemptedError(15, ""),
    ],
)
def test_only_what_can_resume_is_told_to(command: str, error: BaseException) -> None:
    message = exit_status(error, command)[1]
    assert ("--ckpt_path" in message) == (command in ("fit", "unlearn"))
    assert ("keeps finished runs" in message) == (command in ("benchmark", "shadow", "forget"))
    assert message.endswith(".")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_space_is_asked_for_where_it_is_missing(number: int) -> None:
    code, message = exit_status(OSError(number, os.strerror(number), b"runs/events"), "audit")
    assert code == 1
    assert (
        message
        == f"Expected to read and write runs/events, got: {os.strerror(number)}. Free some space. Repeat the command."
    )


def test_permissions_are_named_where_they_are_missing() -> None:
    _, message = exit_status(OSError(errno.EROFS, "Read-only file system", "a"), "split")
    assert "Change the permissions, or choose another place. Repeat the command." in message


@pytest.fixture
def _small_files() -> Iterator[None]:
    """No file may grow beyond 3 kB: a disk that fills up while a file is written, for any user."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("unlearning-pl: ")]


@pytest.mark.usefixtures("_small_files")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("split --data.source Digits --forget.fraction 0.9 --output s.json", "read and write s.json"),
        (f"views {DIGITS} --output v.png", "read and write v.png"),
        (f"{FIT} --run run", "write run/checkpoints/last.ckpt"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 1
    (line,) = lines(capsys)
    assert f"Expected to {message}, got: File too large." in line
    assert "free some space" in line.lower()
    assert [*tmp_path.iterdir()] == []


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with a finished run and no space left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount")
    yield disk
    subprocess.run(["umount", disk], check=True)


def fill(disk: Path) -> None:
    free = os.statvfs(disk)
    (disk / "rest").write_bytes(bytes(free.f_bavail * free.f_frsize))


def test_events_of_tensorboard_name_their_folder(
    full_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)  # restored, as main sets it
    assert main(f"{FIT} --run run".split()) == 0
    shutil.copytree("run", full_disk / "run")
    fill(full_disk)
    capsys.readouterr()
    assert (
        main(["predict", "--run", str(full_disk / "run"), "--allow", "tiny", "--trainer.enable_progress_bar", "false"])
        == 1
    )
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert f"Expected to read and write {full_disk}/run, got: No space left on device. Free some space. Repeat" in said
    assert "TensorBoard's curves are incomplete: No space left on device." in said


def test_another_thread_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    hooked: list[Any] = []
    thread = threading.Thread(target=fail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda args: hooked.append(args))
        thread.start()
        thread.join()
    command_line._report_thread_error(hooked[0])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EISDIR, errno.ENOTDIR, errno.EMFILE, errno.ELOOP, errno.ENAMETOOLONG])
def test_any_place_that_cannot_be_used_is_a_line(number: int) -> None:
    for name in ((), ("a",)):
        code, message = exit_status(OSError(number, os.strerror(number), *name), "split")
        assert code in (1, 2)
        assert "None" not in message
        assert message.endswith(".")
