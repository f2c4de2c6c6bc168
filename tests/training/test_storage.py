"""Checkpoints are written whole or not at all, and only such as can be read again."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError, StorageError
from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO


def write(path: Path, size: int = 1) -> None:
    AtomicCheckpointIO().save_checkpoint({"state_dict": {"weight": torch.zeros(size)}}, path)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/split.json").write_text("{}")
    return tmp_path / "run"


class Remembers(Callback):
    """A callback with a state."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.state}


def fit(run: Path, callback: Callback) -> None:
    make_trainer(run, max_epochs=1, callbacks=[callback]).fit(make_learner("SimCLR"), datamodule=make_data())


@pytest.mark.parametrize("state", [np.float64(0.5), Path("best.ckpt"), print, lambda: 1])
def test_a_state_that_no_run_could_go_on_from_is_told_at_once(state: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"state of the callback Remembers, got .*Convert what its state_dict returns"):
        fit(tmp_path / "run", Remembers(state))
    assert not (tmp_path / "run").exists()


def test_plain_states_are_kept(tmp_path: Path) -> None:
    fit(tmp_path / "run", Remembers({"a": [0.5, torch.ones(2)], "b": (None, "c")}))
    assert (tmp_path / "run/run.json").exists()


def test_what_a_killed_process_had_half_written_goes(run: Path) -> None:
    (run / "checkpoints/.last.ckpt.abc").write_text("half")
    write(run / "checkpoints/last.ckpt")
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]


def test_a_vanished_run_folder_is_told_and_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="was removed"):
        write(tmp_path / "run/checkpoints/last.ckpt")
    assert not (tmp_path / "run").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 64 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("only root can mount")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_keeps_the_checkpoint_before(small_disk: Path) -> None:
    path = small_disk / "run/checkpoints/last.ckpt"
    path.parent.mkdir(parents=True)
    (small_disk / "run/split.json").write_text("{}")
    write(path)
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"No space left on device.*free some space"):
        write(path, size=100_000)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


def test_a_read_only_disk_is_told(small_disk: Path) -> None:
    path = small_disk / "run/checkpoints/last.ckpt"
    path.parent.mkdir(parents=True)
    (small_disk / "run/split.json").write_text("{}")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(StorageError, match="Read-only file system"):
        write(path)
