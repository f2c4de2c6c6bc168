"""A file becomes a run, tensor by tensor, and the run is an original like any other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from learners.foreign_models import FOREIGN, Foreign, moco_v2, solo_learn_simclr, timm_convnext, torchvision_classifier
from PIL import Image
from torchvision.models import ResNet18_Weights, mobilenet_v3_small, resnet18

from unlearning_pl.commands.main import main
from unlearning_pl.training import runs
from unlearning_pl.training.checkpoint_files import read_checkpoint
from unlearning_pl.training.match_weights import match_weights
from unlearning_pl.training.state_dicts import find_state_dict

QUICK = (torchvision_classifier, solo_learn_simclr, moco_v2)
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
    assert matched.origin
    for name, origin in matched.origin.items():
        value = weights[origin].T if name in matched.key_map.transposed else weights[origin]
        assert torch.equal(read_checkpoint(run)["state_dict"][name], value.reshape(matched.state[name].shape))


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


def test_the_file_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--run", "x"]) == 2
    assert main(["import", str(tmp_path / "nowhere.pt")]) == 2
    assert "Expected a file of weights first, got --run" in capsys.readouterr().err
