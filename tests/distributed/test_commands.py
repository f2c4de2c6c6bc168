"""The commands over two processes, as a user starts them, progress bar and all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from launching import TORCHRUN

TINY = (
    "--data.source Digits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.max_epochs 2"
)
UNLEARN = (
    "unlearn --original {} --method AlignmentCalibration --forget.count 7 --trainer.max_epochs 2 "
    "--trainer.accelerator cpu --trainer.devices 2 --trainer.strategy ddp --run {}"
)
pytestmark = [pytest.mark.ddp, pytest.mark.slow]


def start(words: str, *launcher: str) -> None:
    command = [sys.executable, *launcher, "-m", "unlearning_pl", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return state


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an original, and a model that two processes unlearned, which the command itself started."""
    folder = tmp_path_factory.mktemp("commands")
    start(f"fit --model SimCLR --model.backbone resnet9_slim {TINY} --run {folder}/original")
    start(UNLEARN.format(folder / "original", folder / "launched"))
    return folder


def test_unlearning_by_torchrun_ends_with_the_same_weights(place: Path) -> None:
    start(UNLEARN.format(place / "original", place / "torchrun"), *TORCHRUN, "--")
    record = json.loads((place / "launched/run.json").read_text())
    assert record["processes"] == 2
    ours, theirs = weights(place / "launched"), weights(place / "torchrun")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_audit_by_two_processes_is_that_of_one(place: Path) -> None:
    """41 retain, 7 forget and many test images in batches of 16: none of the sets divides evenly."""
    audit = f"audit --model {place}/launched --original {place}/original --views 3 --relearning 1 --accelerator cpu"
    start(f"{audit} --output {place}/one")
    start(f"{audit} --output {place}/two --devices 2")
    start(f"{audit} --output {place}/three --devices 2", *TORCHRUN, "--")
    one, *several = (json.loads((place / name / "report.json").read_text()) for name in ("one", "two", "three"))
    for other in several:
        assert other["audits"] == one["audits"]
