"""Every command that reads a run refuses the classes of others, and takes those that its words allow."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from unlearning_pl.benchmark.benchmark_plan import read_plans
from unlearning_pl.cli.allowed_classes import allowed_classes, without_allow
from unlearning_pl.commands.main import main
from unlearning_pl.errors import InputError

TINY = (
    "--model.backbone resnet9_slim --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
)
SHORT = "--trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 1"
pytestmark = pytest.mark.usefixtures("_undrawn")
MODULE = """
from pathlib import Path
Path('PWNED').touch()
from unlearning_pl.data import Digits
from unlearning_pl.learners import SimCLR
class Net(SimCLR): pass
class Images(Digits): pass
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An original and a model that forgot, of this package's classes, and images of an owner."""
    folder = tmp_path_factory.mktemp("trained")
    assert (
        main(f"fit --model SimCLR --data.source Digits --data.validation 0.1 {TINY} --run {folder}/original".split())
        == 0
    )
    assert main(f"unlearn --original {folder}/original --forget.count 8 {SHORT} --run {folder}/model".split()) == 0
    (folder / "images").mkdir()
    for number in range(3):
        pixels = np.full((8, 8, 3), 50 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """They, with a learner of one's own in the working directory, which is on sys.path, as with python -m."""
    for name in ("original", "model", "images"):
        shutil.copytree(trained / name, tmp_path / name)
    (tmp_path / "own.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("own", None)


def rename(run: str, old: str, new: str) -> None:
    path = Path(run, "config.yaml")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


READERS = [
    f"unlearn --original original --forget.count 4 {SHORT} --run new",
    "validate --run model",
    "test --run model",
    "predict --run model",
    "audit --model model --views 2 --relearning 0",
    "split --original original --forget.count 4",
    "owner --before original --after model --images images --views 2",
    "owner --before original/checkpoints/last.ckpt --after model/checkpoints/last.ckpt --images images --views 2",
]


@pytest.mark.parametrize("words", READERS)
def test_a_reader_imports_no_learner_of_others_unless_allowed(
    words: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("original", "model"):
        rename(run, "unlearning_pl.learners.SimCLR", "own.Net")
    assert main(words.split()) == 2
    message = "config.yaml, got own.Net. Add --allow own if you trust it."
    assert message in capsys.readouterr().err
    assert not Path("PWNED").exists()
    assert not Path("model/audit").exists()
    if words.split()[0] not in ("validate", "test"):  # read by the code of predict
        assert main([*words.split(), "--allow", "own"]) == 0
        assert Path("PWNED").exists()


@pytest.mark.parametrize(
    "words", ["views --run model", "serve --run model --port 0", "shadow --model model --original original"]
)
def test_other_readers_refuse_too(words: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rename("model", "unlearning_pl.data.Digits", "own.Images")
    assert main(words.split()) == 2
    assert "model/config.yaml, got own.Images. Add --allow own if you trust it." in capsys.readouterr().err
    assert not Path("PWNED").exists()


def test_views_are_drawn_of_a_source_that_is_allowed(place: Path) -> None:
    rename("model", "unlearning_pl.data.Digits", "own.Images")
    assert main(["views", "--run", "model", "--allow", "own", "--data.batch_size", "4"]) == 0


def test_a_class_that_was_typed_is_allowed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rename("original", "unlearning_pl.learners.SimCLR", "own.Net")
    assert main(READERS[0].split()) == 2
    assert main([*READERS[0].split(), "--model", "own.Net"]) == 0
    config = yaml.safe_load(Path("new/config.yaml").read_text())
    assert config["model"]["class_path"] == "own.Net"
    assert "allow" not in config
    capsys.readouterr()
    assert main(f"unlearn --config new/config.yaml --run again {SHORT}".split()) == 0  # the user's own deed


@pytest.mark.parametrize(
    "words",
    [
        "split --original original --forget.count 4",
        "audit --model model --views 2 --relearning 0",
        "views --run original",
        "shadow --model model --original original --count 4",
    ],
)
def test_a_source_that_was_typed_is_allowed_for_the_data_of_a_run(
    words: str, place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trains = mock.Mock(side_effect=InputError("Expected to train here."))
    monkeypatch.setattr("unlearning_pl.shadow.train_shadows._train", trains)
    for run in ("original", "model"):
        rename(run, "unlearning_pl.data.Digits", "own.Images")
    assert main(words.split()) == 2
    assert "got own.Images. Add --allow own" in capsys.readouterr().err
    typed = "--data.source own.Images --data.source.train_size 48 --data.source.image_size 8"
    status = main([*words.split(), *typed.split()])
    assert status == 0 or trains.called, capsys.readouterr().err
    rename(words.split()[2], "unlearning_pl.learners.SimCLR", "own.Net")
    assert main([*words.split(), *typed.split()]) == 2
    assert "got own.Net" in capsys.readouterr().err


def test_only_options_of_classes_count_as_typed() -> None:
    words = ["test", "--run", "got.evil", "--output=own.Net", "--data.forget.file", "a.txt", "--data.views", "own.V"]
    assert allowed_classes([*words, "--data.source.init_args.source.class_path=own.S"]) == ["own.V", "own.S"]


def test_a_short_option_ends_what_is_allowed() -> None:
    words = ["test", "--allow", "a", "-c", "cfg.yaml", "--run", "r", "--allow=b", "c"]
    assert allowed_classes(words) == ["a", "b", "c"]
    assert without_allow(words) == ["test", "-c", "cfg.yaml", "--run", "r"]


def test_a_configuration_cannot_allow_anything(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rename("original", "unlearning_pl.learners.SimCLR", "own.Net")
    with Path("original/config.yaml").open("a") as file:
        file.write("allow: [own]\n")
    assert main(READERS[0].split()) == 2
    Path("my.yaml").write_text("allow: [own]\n")
    capsys.readouterr()
    assert main(f"test --run model --config my.yaml {SHORT}".split()) == 2
    assert "Expected --allow on the command line, got allow = ['own'] of a --config file" in capsys.readouterr().err
    assert not Path("PWNED").exists()


def test_callbacks_and_the_optimiser_of_a_run_that_is_read_are_not_imported(place: Path) -> None:
    rename("model", "torch.optim.SGD", "own.Net")
    rename("model", "callbacks: null", "callbacks: [{class_path: own.Net}]")
    rename("model", "logger: null", "logger: {class_path: own.Net}")
    for words in ("predict --run model", READERS[-2]):
        assert main(words.split()) == 0
    assert not Path("PWNED").exists()


@pytest.mark.parametrize(
    ("old", "new"), [("torch.optim.SGD", "own.Net"), ("callbacks: null", "callbacks: [{class_path: own.Net}]")]
)
def test_shadow_models_repeat_a_run_and_ask_for_all_of_it(
    old: str, new: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rename("original", old, new)
    assert main(["shadow", "--model", "model", "--original", "original", "--count", "4"]) == 2
    assert "original/config.yaml, got own.Net. Add --allow own" in capsys.readouterr().err
    assert not Path("PWNED").exists()
    assert not Path("model/shadows").exists()


@pytest.mark.parametrize("runs", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_plan_allows_what_it_names(runs: bool, place: Path) -> None:
    words = TINY.replace("--trainer.max_epochs 1", "")
    plan = {
        "fit": f"--model own.Net --data.source Digits {words} --trainer.max_epochs 1",
        "forget": {"count": 8},
        "methods": {"fine_tune": "--method FineTune --data.views unlearning_pl.data.JitterViews"},
        "unlearn": SHORT,
        "audit": "--views 2",
    }
    Path("plan.yaml").write_text(yaml.safe_dump(plan))
    (read,) = read_plans(["plan.yaml"])
    lines = [read.job.runs(0, "out")["fine_tune"], read.job.report("out", ["fine_tune"])]
    assert all(line.endswith("--allow own.Net") for line in lines)
    if not runs:
        return
    for _ in range(2):
        assert main(["benchmark", "plan.yaml", "--seeds", "0", "--output", "out"]) == 0
    record = json.loads(Path("out/plan/seed0/fine_tune/run.json").read_text())
    assert record["command"][-2:] == ["--allow", "own.Net"]


def test_weights_of_another_tool_are_evaluated_like_the_runs_own(place: Path) -> None:
    state = torch.load("model/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    torch.save({"model": {f"module.{name}": value for name, value in state.items()}}, "w.pt")
    found = []
    for words in ("", "--ckpt_path w.pt"):
        assert main(f"predict --run model {words} {SHORT.split(' --trainer.max')[0]}".split()) == 0
        found.append(np.load("model/predictions.npz")["features"])
    assert np.array_equal(*found)


@pytest.mark.slow
def test_the_command_itself_imports_nothing_of_the_working_directory(place: Path) -> None:
    rename("model", "unlearning_pl.learners.SimCLR", "own.Net")
    words = [sys.executable, "-m", "unlearning_pl", *["predict", "--run", "model"]]
    assert subprocess.run(words, capture_output=True, check=False, timeout=120).returncode == 2
    assert not Path("PWNED").exists()
