"""The file that a run comes from is found from any working directory, and its content decides."""

from pathlib import Path

import pytest

from unlearning_pl.errors import InputError
from unlearning_pl.export.original_file import original_file
from unlearning_pl.io import write_bytes, write_json
from unlearning_pl.training.checkpoint_files import weights_digest


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """Two runs in a row, the second unlearned from the first by its name in ``job``, and the first from a file."""
    job = tmp_path / "job"
    file = write_bytes(job / "w.pt", b"weights")
    original, checkpoint = file, "checkpoints/last.ckpt"
    for name in ("first", "second"):
        run = job / "runs" / name
        write_bytes(run / checkpoint, name.encode())
        facts = {"original": str(original.relative_to(job)), "original_sha256": weights_digest(original)}
        write_json(run / "run.json", {"command": [], "seconds": 1.0, **facts})
        original = run
    return job


@pytest.mark.parametrize("place", [".", "job", "job/runs/second", "elsewhere"])
def test_a_relative_name_is_found_from_every_folder(
    place: str, job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / place)
    found = original_file(job / "runs/second")
    assert found is not None
    assert found.resolve() == job / "w.pt"


def test_another_run_of_that_name_is_passed_over(job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "other/runs/first/checkpoints/last.ckpt", b"another")
    (job / "runs/runs/first").mkdir(parents=True)  # a folder of that name is no run
    monkeypatch.chdir(tmp_path / "other")
    assert original_file(job / "runs/second") == job / "w.pt"


def test_what_is_gone_or_changed_is_refused_with_a_remedy(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(job.parent)
    write_bytes(job / "w.pt", b"others")
    with pytest.raises(InputError, match=r"Expected w\.pt as it was when the run .*first came from it"):
        original_file(job / "runs/second")
    (job / "w.pt").unlink()
    with pytest.raises(InputError, match=r"got no such file\. Export in the folder where it was unlearned from\. Give"):
        original_file(job / "runs/second")
