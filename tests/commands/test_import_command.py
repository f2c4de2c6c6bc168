"""A file becomes a run, tensor by tensor, and the run is an original like any other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from learners.foreign_models import (
    FOREIGN,
    Foreign,
    in_learner,
    moco_v2,
    solo_learn_moco,
    solo_learn_simclr,
    timm_convnext,
    torchvision_mobilenet,
)
from PIL import Image
from torchvision.models import ResNet18_Weights, mobilenet_v3_small, resnet18

from unlearning_pl.commands.main import main
from unlearning_pl.images.resizing import Resize
from unlearning_pl.learners.open_clip_towers import tower_settings
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.state_dicts import find_state_dict

QUICK = (torchvision_mobilenet, solo_learn_simclr, moco_v2)
KNOWN = [
    make if make in QUICK else pytest.param(make, marks=pytest.mark.slow)
    for make in FOREIGN
    if make is not timm_convnext
]


@pytest.fixture
def photos(tmp_path: Path) -> list[str]:
    """Options of 18 small photographs of three classes, in folders."""
    generator = torch.Generator().manual_seed(0)
    for part, count in (("train", 4), ("test", 2)):
        for name in ("cat", "dog", "emu"):
            folder = tmp_path / "photos" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = torch.randint(256, (40, 50, 3), generator=generator, dtype=torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
    source = "--data.source"
    return [
        source,
        "Folder",
        f"{source}.train",
        f"{tmp_path}/photos/train",
        f"{source}.test",
        f"{tmp_path}/photos/test",
    ]


def run_import(state: Any, tmp_path: Path, *options: str) -> tuple[int, Path]:
    torch.save(state, tmp_path / "w.pt")
    run = tmp_path / "runs" / "original"
    return main(["import", str(tmp_path / "w.pt"), "--run", str(run), *options]), run


@pytest.mark.parametrize("make", KNOWN, ids=lambda make: make.__name__)
def test_every_map_is_imported_bit_for_bit(make: Callable[[], Foreign], photos: list[str], tmp_path: Path) -> None:
    state = make().state
    code, run = run_import(state, tmp_path, *photos, "--data.source.image_size", "64")
    assert code == 0
    learner = runs.open_learner(run)
    weights = find_state_dict(state, tmp_path)
    matched = match_weights(learner, weights, tmp_path)
    written = read_checkpoint(run)["state_dict"]
    assert matched.origin
    for name, origin in matched.origin.items():
        value = in_learner(matched.key_map, name, weights[origin], matched.state[name])
        assert torch.equal(written[name], value)


def test_images_follow_the_model(photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, run = run_import(resnet18(num_classes=3).state_dict(), tmp_path, *photos)
    assert code == 0
    assert "Model: Classifier (backbone torchvision/resnet18, num_classes 3)" in capsys.readouterr().out
    data, learner = runs.open_data(run), runs.open_learner(run).eval()
    net = resnet18(num_classes=3)
    net.load_state_dict(torch.load(tmp_path / "w.pt"))
    transform = ResNet18_Weights.DEFAULT.transforms()
    position = data.ids.index("train/dog/2.png")
    image = transform(Image.open(tmp_path / "photos/train/dog/2.png"))[None]
    images, _ = data.pool.rows_at(torch.tensor([position]))
    ours = data.pool.normalise(images, learner.pixels)
    torch.testing.assert_close(ours, image, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(learner.class_scores(ours), net.eval()(image), rtol=1e-5, atol=1e-5)


def test_an_imported_run_is_an_original(photos: list[str], tmp_path: Path) -> None:
    small = [*photos, "--data.source.image_size", "32", "--data.batch_size", "6"]
    state = mobilenet_v3_small(num_classes=3).half().state_dict()
    code, run = run_import(state, tmp_path, *small)
    assert code == 0
    record = json.loads((run / "run.json").read_text())
    assert record["imported"]["file"] == str((tmp_path / "w.pt").resolve())
    quick = ["--trainer.max_epochs", "1", "--optimizer.lr", "0.001"]
    unlearned, retrained = str(tmp_path / "runs/ft"), str(tmp_path / "runs/retrained")
    request = ["--forget.ids", "[train/cat/1.png, train/dog/2.png]"]
    assert main(["unlearn", "--original", str(run), "--run", unlearned, *request, *quick]) == 0
    again = ["--config", str(run / "config.yaml"), "--run", retrained, "--data.train_on", "retain", *quick]
    assert main(["fit", *again, "--data.forget.file", f"{unlearned}/split.json"]) == 0
    audit = ["audit", "--model", unlearned, "--original", str(run), "--retrained", retrained]
    assert main([*audit, "--views", "2", "--relearning", "0"]) == 0
    audits = json.loads((tmp_path / "runs/ft/audit/report.json").read_text())["audits"]
    seconds = {audit["name"]: audit["metrics"].get("seconds") for audit in audits}
    assert seconds["original"] is None
    assert seconds["ft"] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "SimCLR"], "Expected weights of a SimCLR with the configured backbone"),
        (["--data.source", "Folder", "--data.source.train", "nowhere", "--data.source.test", "x"], "Expected a folder"),
        (["--model", "Nonsense"], "Nonsense"),
    ],
)
def test_an_import_that_fails_writes_nothing(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, run = run_import(resnet18(num_classes=3).state_dict(), tmp_path, *options)
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert not run.exists()


@pytest.fixture
def small(photos: list[str]) -> list[str]:
    return [*photos, "--data.source.image_size", "32", "--data.batch_size", "6"]


def test_what_a_file_does_not_tell_is_said(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_import(solo_learn_moco().state, tmp_path, *small)[0] == 0
    notes = capsys.readouterr().out
    assert "Temperature of the loss: 0.1, as the file has none; --model.temperature gives another." in notes
    assert "Left out, as no part of the model: 6 tensors, first queue." in notes
    assert "Not in the file: queue.keys, which starts with random values." in notes
    assert "Normalisation: mean [0.485, 0.456, 0.406], deviation [0.229, 0.224, 0.225], of Folder" in notes
    assert run_import(solo_learn_simclr().state, tmp_path, *small, "--model.temperature", "0.2", "--overwrite")[0] == 0
    assert "Temperature" not in capsys.readouterr().out
    assert runs.open_learner(tmp_path / "runs" / "original").hparams["temperature"] == 0.2


def test_a_model_of_open_clip_is_imported_bit_for_bit(
    photos: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its images, which a source with captions wraps, as the model takes them."""
    monkeypatch.setattr("unlearning_pl.cli.file_options.model_resize", lambda model: Resize(32, 40, "bicubic"))
    settings = tower_settings("ViT-slim")
    net = open_clip.model.CLIP(settings["embed_dim"], settings["vision_cfg"], settings["text_cfg"])
    wrapped = [word.replace("--data.source", "--data.source.source") for word in photos]
    code, run = run_import(net.state_dict(), tmp_path, "--data.source", "TemplateCaptions", *wrapped)
    assert code == 0
    shown = capsys.readouterr().out
    assert "Model: CLIP (model ViT-slim)" in shown
    assert "names: open_clip" in shown
    assert runs.open_data(run).source.image_size == Resize(32, 40, "bicubic")
    saved = read_checkpoint(run)["state_dict"]
    assert torch.equal(saved["backbone.conv1.weight"], net.visual.conv1.weight)
    assert torch.equal(saved["text_encoder.text_projection"], net.text_projection)
    assert len(saved) == len(net.state_dict())


def test_weights_that_are_not_read_are_said(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr("unlearning_pl.training.weights.rank_zero_info", notes.append)
    state = mobilenet_v3_small(num_classes=3).state_dict()
    average = {name: torch.zeros_like(value) for name, value in state.items()}
    code, run = run_import({"state_dict": state, "state_dict_ema": average, "epoch": 3}, tmp_path, *small)
    assert code == 0
    assert notes[0].endswith("w.pt has weights under state_dict_ema too, which are not read: state_dict comes first.")
    assert "Classes: cat, dog, emu, in the order of the model's scores." in capsys.readouterr().out
    learner = runs.open_learner(run)
    assert torch.equal(learner.head.bias, state["classifier.3.bias"])  # type: ignore[union-attr]


def test_images_of_a_fixed_size_and_fewer_classes_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = mobilenet_v3_small(num_classes=12).state_dict()
    digits = ["--data.source", "Digits", "--data.source.train_size", "20", "--data.batch_size", "6"]
    assert run_import(state, tmp_path, *digits)[0] == 0
    notes = capsys.readouterr().out
    assert "Images: Digits with image_size 16; the model's own evaluation transform is shorter side 256" in notes
    assert "in the order of the model's scores, of 12 that the model has: the others are of no image." in notes


@pytest.mark.parametrize("fails", ["_write_checkpoint", "write_record"])
def test_an_import_that_is_interrupted_restores_the_run_before(
    fails: str, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, run = run_import(mobilenet_v3_small(num_classes=3).state_dict(), tmp_path, *small)
    assert code == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    monkeypatch.setattr(f"unlearning_pl.training.import_run.{fails}", interrupt)
    assert run_import(mobilenet_v3_small(num_classes=4).state_dict(), tmp_path, *small, "--overwrite")[0] == 130
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def test_a_folder_names_the_files_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.safetensors").touch()
    assert main(["import", str(tmp_path), "--run", str(tmp_path / "run")]) == 2
    assert "which is a folder. Give a file in it: model.safetensors." in capsys.readouterr().err


def test_processes_do_not_import_side_by_side(
    small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unlearning_pl.distributed.launchers.launched_processes", lambda: {"devices": 2})
    code, run = run_import(mobilenet_v3_small(num_classes=3).state_dict(), tmp_path, *small)
    assert code == 2
    assert "Expected one process, got 2" in capsys.readouterr().err
    assert not run.exists()


def test_the_file_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--run", "x"]) == 2
    assert main(["import", str(tmp_path / "nowhere.pt")]) == 2
    assert "Expected a file of weights first, got --run" in capsys.readouterr().err
