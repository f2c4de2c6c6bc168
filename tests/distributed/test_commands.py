"""The commands over two processes, as a user starts them, progress bar and all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

TINY = (
    "--data.source Digits --data.source.train_size 48 --data.source.image_size 8 --data.batch_size 16 "
    "--trainer.accelerator cpu --trainer.max_epochs 2"
)
TWO = "--trainer.devices 2 --trainer.strategy ddp"


def start(words: str, *launcher: str) -> None:
    command = [sys.executable, *launcher, "-m", "unlearning_pl", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return state


@pytest.mark.ddp
@pytest.mark.slow
def test_unlearning_over_two_processes(tmp_path: Path) -> None:
    original = tmp_path / "original"
    start(f"fit --model SimCLR --model.backbone resnet9_slim {TINY} --run {original}")
    job = f"unlearn --original {original} --method AlignmentCalibration --forget.count 8 --trainer.max_epochs 2 {TWO}"
    job += " --trainer.accelerator cpu"
    start(f"{job} --run {tmp_path}/launched")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    start(f"{job} --run {tmp_path}/torchrun", *torchrun, "--")
    record = json.loads((tmp_path / "launched/run.json").read_text())
    assert record["processes"] == 2
    ours, theirs = weights(tmp_path / "launched"), weights(tmp_path / "torchrun")
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.ddp
@pytest.mark.slow
def test_an_audit_by_two_processes_is_that_of_one(tmp_path: Path) -> None:
    """41 retain, 7 forget and many test images in batches of 16: none of the sets divides evenly."""
    original, model = tmp_path / "original", tmp_path / "model"
    start(f"fit --model SimCLR --model.backbone resnet9_slim {TINY} --run {original}")
    start(f"unlearn --original {original} --method FineTune --forget.count 7 --run {model} --trainer.max_epochs 1")
    audit = f"audit --model {model} --original {original} --views 3 --relearning 1 --accelerator cpu"
    start(f"{audit} --output {tmp_path}/one")
    start(f"{audit} --output {tmp_path}/two --devices 2")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    start(f"{audit} --output {tmp_path}/three --devices 2", *torchrun, "--")
    one, *several = (json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two", "three"))
    for other in several:
        assert other["audits"] == one["audits"]
