"""Tiny jobs for scripts that try launchers, and what their runs are held to."""

import os
import subprocess
import sys
from pathlib import Path

import torch

FIT = (
    "fit --model SimCLR --model.backbone resnet9_slim --data.source Digits --data.source.train_size 48 "
    "--data.source.image_size 8 --data.batch_size 16 --trainer.max_epochs 2 --trainer.accelerator cpu --run {}"
)
UNLEARN = (
    "unlearn --original {} --method AlignmentCalibration --forget.count 8 --data.batch_size 8 --trainer.max_epochs 20 "
    "--trainer.accelerator cpu --trainer.strategy ddp --run {}"
)
COMMAND = f"{sys.executable} -m unlearning_pl"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
"""A process takes as many threads as its node has cores for it, and their number decides how sums are rounded."""


def start(words: str) -> None:
    """Run a command of the project to its end."""
    command = [*COMMAND.split(), *words.split()]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def difference(run: Path, other: Path) -> float:
    """The largest difference of any weight of two runs."""
    ours, theirs = _weights(run), _weights(other)
    assert ours.keys() == theirs.keys()
    return max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)


def steps(checkpoint: Path) -> int:
    """Steps that a checkpoint comes after."""
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def _weights(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return state
