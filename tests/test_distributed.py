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
