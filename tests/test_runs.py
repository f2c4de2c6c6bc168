from pathlib import Path

import pytest
import torch
from tiny import make_learner

from unlearning_pl import runs
from unlearning_pl.errors import InputError


def test_a_new_run_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    for name in ("config.yaml", "split.json", "run.json", "events.out.tfevents.1", "notes.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").write_text("x")
    runs.clear(tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(InputError, match="got the file"):
        runs.clear(tmp_path / "run", overwrite=True)


def test_weights_of_another_family_are_told(tmp_path: Path) -> None:
    torch.save({"state_dict": make_learner("BYOL").state_dict()}, tmp_path / "byol.ckpt")
    with pytest.raises(InputError, match=r"weights of a SimCLR.*another architecture"):
        runs.load_weights(make_learner("SimCLR"), tmp_path / "byol.ckpt")


def test_code_in_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "owned",)

    torch.save({"state_dict": {}, "evil": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match="torch cannot load"):
        runs.read_checkpoint(tmp_path / "evil.ckpt")
    assert not (tmp_path / "owned").exists()


def test_a_checkpoint_without_weights_is_told(tmp_path: Path) -> None:
    torch.save({"weights": 1}, tmp_path / "a.ckpt")
    with pytest.raises(InputError, match="without one"):
        runs.read_checkpoint(tmp_path / "a.ckpt")


def test_a_configuration_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: [unclosed")
    with pytest.raises(InputError, match="keys model and data"):
        runs.read_config(tmp_path)
