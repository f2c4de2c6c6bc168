import shutil
from pathlib import Path

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.training.run_folder import open_run_folder

WRITTEN = ("config.yaml", "split.json", "run.json", "events.out.tfevents.1", "checkpoints/last.ckpt")


def write(run: Path, text: str) -> None:
    for name in WRITTEN:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text)


def fail_after_writing(run: Path, name: str, overwrite: bool) -> None:
    try:
        with open_run_folder(run, overwrite, checkpoint=None, writes=True):
            (run / name).parent.mkdir(exist_ok=True)
            (run / name).write_text("new")
            raise KeyError
    except KeyError:
        return
    pytest.fail("the error was swallowed")


def content(run: Path) -> dict[str, str]:
    return {path.relative_to(run).as_posix(): path.read_text() for path in run.rglob("*") if path.is_file()}


def test_a_new_run_replaces_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, "old")
    (tmp_path / "notes.txt").write_text("mine")
    with open_run_folder(tmp_path, overwrite=True, checkpoint=None, writes=True) as fresh:
        assert fresh
        assert content(tmp_path / ".replaced") == dict.fromkeys(WRITTEN, "old")
        (tmp_path / "run.json").write_text("new")
    assert content(tmp_path) == {"notes.txt": "mine", "run.json": "new"}


def test_a_failure_before_the_first_checkpoint_puts_the_old_run_back(tmp_path: Path) -> None:
    write(tmp_path, "old")
    before = content(tmp_path)
    fail_after_writing(tmp_path, "split.json", overwrite=True)
    assert content(tmp_path) == before


def test_a_folder_that_is_gone_hides_no_error(tmp_path: Path) -> None:
    run = open_run_folder(tmp_path / "run", overwrite=False, checkpoint=None, writes=True)
    run.__enter__()
    shutil.rmtree(tmp_path / "run")
    assert not run.__exit__(KeyError, KeyError(), None)  # the error goes on


def test_a_failure_after_a_checkpoint_keeps_both(tmp_path: Path) -> None:
    write(tmp_path, "old")
    fail_after_writing(tmp_path, "checkpoints/last.ckpt", overwrite=True)
    assert (tmp_path / "checkpoints/last.ckpt").read_text() == "new"
    assert (tmp_path / ".replaced/checkpoints/last.ckpt").read_text() == "old"


def test_a_failure_leaves_no_new_folder(tmp_path: Path) -> None:
    fail_after_writing(tmp_path / "run", "split.json", overwrite=False)
    assert not (tmp_path / "run").exists()


def test_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "old")
    before = content(tmp_path)
    with open_run_folder(
        tmp_path, overwrite=False, checkpoint=tmp_path / "checkpoints/last.ckpt", writes=True
    ) as fresh:
        assert not fresh
    assert content(tmp_path) == before


def test_the_run_that_was_replaced_goes_when_the_new_one_ends_at_a_later_start(tmp_path: Path) -> None:
    write(tmp_path, "old")
    fail_after_writing(tmp_path, "checkpoints/last.ckpt", overwrite=True)
    assert (tmp_path / ".replaced/split.json").exists()
    with open_run_folder(tmp_path, overwrite=False, checkpoint=tmp_path / "checkpoints/last.ckpt", writes=True):
        pass
    assert not (tmp_path / ".replaced").exists()


def test_a_failure_keeps_a_checkpoint_of_any_name(tmp_path: Path) -> None:
    fail_after_writing(tmp_path / "run", "checkpoints/epoch=3.ckpt", overwrite=False)
    assert (tmp_path / "run/checkpoints/epoch=3.ckpt").read_text() == "new"


def test_a_run_replaced_by_one_that_was_killed_comes_back_first(tmp_path: Path) -> None:
    write(tmp_path, "old")
    killed = open_run_folder(tmp_path, overwrite=True, checkpoint=None, writes=True)
    killed.__enter__()  # and no more
    (tmp_path / "split.json").write_text("half")
    fail_after_writing(tmp_path, "split.json", overwrite=True)
    assert content(tmp_path) == dict.fromkeys(WRITTEN, "old")


def test_a_run_that_was_killed_at_once_leaves_its_folder_usable(tmp_path: Path) -> None:
    open_run_folder(tmp_path / "run", overwrite=True, checkpoint=None, writes=True).__enter__()
    with open_run_folder(tmp_path / "run", overwrite=True, checkpoint=None, writes=True) as fresh:
        assert fresh
    assert [*(tmp_path / "run").iterdir()] == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_something_else_is_refused(overwrite: bool, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("precious")
    with pytest.raises(InputError, match="Choose another `run`"):
        open_run_folder(tmp_path, overwrite, checkpoint=None, writes=True).__enter__()
    assert content(tmp_path) == {"photo.jpg": "precious"}


def test_a_run_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("x")
    with pytest.raises(InputError, match="got the file"):
        open_run_folder(tmp_path / "run", overwrite=True, checkpoint=None, writes=True).__enter__()


def test_a_place_that_cannot_be_written_is_told() -> None:
    with pytest.raises(InputError, match="writable folder as `run`, got /proc/nowhere"):
        open_run_folder(Path("/proc/nowhere"), overwrite=False, checkpoint=None, writes=True).__enter__()


@pytest.mark.parametrize("resumed", [False, True])
def test_the_configuration_is_there_from_the_beginning(resumed: bool, tmp_path: Path) -> None:
    write(tmp_path, "old")
    checkpoint = tmp_path / "checkpoints/last.ckpt" if resumed else None
    with open_run_folder(tmp_path, True, checkpoint, writes=True, configuration="new"):
        assert (tmp_path / "config.yaml").read_text() == "new"
