"""Images that lie elsewhere now: runs resume, and commands read them, as long as the fingerprint agrees."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from unlearning_pl.cli.data_options import open_run_data, split_data_options
from unlearning_pl.cli.finished_runs import can_resume, is_finished_run
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError
from unlearning_pl.training import runs

MODEL = "--model Classifier --model.backbone resnet9_slim --model.num_classes 2"
QUIET = "--trainer.accelerator cpu --trainer.enable_progress_bar false --schedule constant"


def source(folder: str, name: str = "Folder") -> str:
    option = "--data.source"
    return f"{option} {name} {option}.train {folder}/train {option}.test {folder}/test {option}.image_size 8"


def fit(folder: str, epochs: int, name: str = "Folder", more: str = "") -> str:
    words = f"fit {MODEL} {source(folder, name)} --data.batch_size 8 {QUIET} --trainer.max_epochs {epochs} --run run"
    return f"{words} {more}".strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run and one that unlearned, of images that were moved since; and other images of the same names."""
    folder = tmp_path_factory.mktemp("made")
    for place, seed in (("img", 0), ("other", 1)):
        generator = np.random.default_rng(seed)
        for part in ("train", "test"):
            for label in ("cat", "dog"):
                (folder / place / part / label).mkdir(parents=True)
                for number in range(8):
                    pixels = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                    Image.fromarray(pixels).save(folder / place / part / label / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(fit("img", 1).split()) == 0
        assert main(f"unlearn --original run --run u --forget.count 4 {QUIET} --trainer.max_epochs 1".split()) == 0
    (folder / "img").rename(folder / "moved")
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy to change, which is a run folder that was moved as well."""
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def error(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(words.split()) == 2, words
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.usefixtures("place")
@pytest.mark.filterwarnings("ignore:The source has other settings")
def test_a_run_resumes_with_other_workers_and_other_places(capsys: pytest.CaptureFixture[str]) -> None:
    more = "--data.workers 1 --data.source.storage memory --data.source.on_error skip --ckpt_path last"
    assert main(fit("moved", 2, more=more).split()) == 0
    assert runs.read_record("run")["epochs"] == 2
    assert "Expected data.batch_size = 8" in error(fit("moved", 3, more="--ckpt_path last --data.batch_size 4"), capsys)
    assert "Expected the data that run/split.json was written for" in error(
        fit("other", 3, more="--ckpt_path last"), capsys
    )
    assert "got other data" in error(fit("moved", 3, more="--ckpt_path last --data.source.image_size 16"), capsys)
    line = error(fit("moved", 3, "image_files.Brighter", "--ckpt_path last"), capsys)
    assert "Expected images normalised by {'mean': [0.485" in line
    assert runs.read_record("run")["epochs"] == 2


@pytest.mark.usefixtures("place")
def test_a_finished_run_is_recognised_wherever_its_images_are() -> None:
    original, words = fit("img", 1).split(), fit("moved", 1, more="--data.workers 2 --overwrite").split()
    assert is_finished_run(original, Path("run"))
    assert is_finished_run(words, Path("run"))
    for folder, name in (("other", "Folder"), ("nowhere", "Folder"), ("moved", "image_files.Brighter")):
        assert not is_finished_run(fit(folder, 1, name).split(), Path("run"))
    assert not is_finished_run(fit("moved", 1, more="--data.batch_size 4").split(), Path("run"))
    assert not is_finished_run(fit("moved", 2).split(), Path("run"))
    Path("run/run.json").unlink()
    assert can_resume(words, Path("run"))
    assert not can_resume(fit("other", 1).split(), Path("run"))
    shutil.copy("u/checkpoints/last.ckpt", "run/checkpoints/last.ckpt")
    assert not can_resume(words, Path("run"))  # it started from an original


@pytest.mark.usefixtures("place")
def test_a_finished_run_of_other_weights_is_not_kept_in_silence() -> None:
    shutil.copy("u/checkpoints/last.ckpt", "run/checkpoints/last.ckpt")
    with pytest.raises(InputError, match="Expected the weights that the run run ended with"):
        is_finished_run(fit("img", 1).split(), Path("run"))


MOVED = "--data.source.train {0}/train --data.source.test={0}/test"
READERS = [
    "predict --run run --trainer.enable_progress_bar false",
    "test --run run --trainer.enable_progress_bar false",
    f"unlearn --original run --run new --forget.count 4 {QUIET} --trainer.max_epochs 1",
    "audit --model u --original run --views 2 --relearning 0 --accelerator cpu",
    "split --original run --hardest 2",
    "split --original u --forget.count 2",
    "views --run run --output views.png",
]


@pytest.mark.parametrize("words", READERS)
@pytest.mark.usefixtures("place", "_undrawn_here")
def test_every_command_that_reads_a_run_finds_its_images(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "img" in error(words, capsys)  # where they were
    if not words.startswith("views"):  # views draws any images
        assert "was written for" in error(f"{words} {MOVED.format('other')}", capsys)
    assert main(f"{words} {MOVED.format('moved')}".split()) == 0


@pytest.mark.usefixtures("place")
def test_shadow_models_train_on_moved_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def stop(jobs: Any, *_: object) -> None:
        asked.extend([[*next(iter(job)).words] for job in dict(jobs).values()])
        raise InputError("Expected an end.")

    monkeypatch.setattr("unlearning_pl.shadow.train_shadows.run_jobs", stop)
    words = "shadow --model u --original run --count 4"
    assert "was written for" in error(f"{words} {MOVED.format('other')}", capsys)
    assert error(f"{words} {MOVED.format('moved')}", capsys).endswith("Expected an end.")
    assert all(MOVED.format("moved").split()[:2] == each[each.index("--data.source.train") :][:2] for each in asked)
    assert len(asked) == 4


@pytest.mark.usefixtures("place")
def test_a_mistake_in_a_data_option_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Expected an option of unlearning-pl audit, got --data.sourse.train. Did you mean --data.source" in error(
        "audit --model u --data.sourse.train moved/train", capsys
    )
    assert "got data = ${HOME}" in error("audit --model u --data.source.train ${HOME}", capsys)
    assert "data.workers" in error("audit --model u --data.workers many", capsys)
    with pytest.raises(InputError, match="folder"):
        open_run_data("u", ["--data.source.train", "nowhere", "--data.source.test", "moved/test"], "audit")


def test_values_of_data_options_stay_with_them() -> None:
    args = ["--data", "x", "--data.forget.ids", "[1, 2]", "--views=3", "--database", "b", "--model", "a", "c"]
    others = ["--views=3", "--database", "b", "--model", "a", "c"]
    assert split_data_options(args) == (others, ["--data", "x", "--data.forget.ids", "[1, 2]"])
