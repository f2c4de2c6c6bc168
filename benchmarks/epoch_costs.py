"""Milliseconds of an epoch besides its steps: validation, logging, progress bar, checkpoints.

    python benchmarks/epoch_costs.py --backbone resnet9_slim --images 2560 --batch 256
    python benchmarks/epoch_costs.py --backbone resnet18 --images 640 --batch 32 --every-epoch --output FILE.json

A run as a user makes it, with a tenth of the images held out. Each part is timed without the parts within it. The
thread that writes checkpoints is timed by itself: it runs beside training, if a core is free. Runs whose training waits
for each write take turns with them: their epochs show whether the thread is a gain on this machine. The table has
medians over rounds.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import host_step
import throughput
import torch
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from torch.optim import SGD
from write_figures import write_figures

from unlearning_pl import learners
from unlearning_pl.data import ContrastiveViews, ForgetRequest, UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.training import last_checkpoint
from unlearning_pl.training.background_checkpoint_io import BackgroundCheckpointIO
from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO
from unlearning_pl.training.last_checkpoint import LastCheckpoint
from unlearning_pl.training.run_logger import RunLogger
from unlearning_pl.training.timed_progress_bar import TimedProgressBar
from unlearning_pl.training.trainer import UnlearningTrainer

WRITER = "checkpoint: the thread that writes"


def watch(clock: host_step.Clock, thread: host_step.Clock) -> None:
    """Time the parts of an epoch, by the functions that do them."""
    hooks = ("on_train_epoch_start", "on_train_batch_end", "on_train_epoch_end", "on_validation_batch_start")
    for owner, attribute, name in (
        (_EvaluationLoop, "run", "validation"),
        (RunLogger, "log_metrics", "logging"),
        (RunLogger, "save", "logging"),
        *(
            (TimedProgressBar, hook, "progress bar")
            for hook in (*hooks, "on_validation_batch_end", "on_validation_end")
        ),
        (LastCheckpoint, "on_train_epoch_end", "checkpoint: what training waits"),
        (LastCheckpoint, "on_train_batch_start", "checkpoint: what training waits"),
    ):
        clock.wrap(owner, attribute, name)
    thread.wrap(BackgroundCheckpointIO, "_write", WRITER)


def round_of(
    options: argparse.Namespace, clock: host_step.Clock, thread: host_step.Clock, waits: bool
) -> dict[str, float]:
    """Milliseconds an epoch, by part."""
    torch.manual_seed(0)
    learner: Learner = getattr(learners, options.learner)(options.backbone)
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9, weight_decay=5e-4), "constant")
    source = throughput.RandomImages(round(options.images / 0.9), options.size)
    data = UnlearningData(source, ContrastiveViews(), ForgetRequest(count=10), batch_size=options.batch, validation=0.1)
    window = host_step.Window(clock)
    with TemporaryDirectory() as place:
        trainer = UnlearningTrainer(
            run=str(Path(place) / "run"),
            accelerator=options.accelerator,
            devices=1,
            precision=options.precision,
            max_epochs=options.epochs,
            seed=0,
            callbacks=[window],
            plugins=[AtomicCheckpointIO()] if waits else None,
        )
        thread.seconds.clear()
        trainer.fit(learner, datamodule=data)
    epochs = (trainer.global_step - throughput.WARM) / trainer.num_training_batches
    parts = {name: 1e3 * value / epochs for name, value in {**clock.seconds, **thread.seconds}.items()}
    total = 1e3 * window.seconds / epochs
    rest = total - sum(value for name, value in parts.items() if name != WRITER)
    return {"steps and the rest": rest, **parts, "an epoch": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learner", default="SimCLR")
    parser.add_argument("--backbone", default="resnet9_slim")
    parser.add_argument("--batch", type=int, default=256, help="Rows of a step.")
    parser.add_argument("--images", type=int, default=2560, help="Training images, without those held out.")
    parser.add_argument("--size", type=int, default=32, help="Pixels of a side.")
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--every-epoch", action="store_true", help="A checkpoint after each epoch, whatever it takes.")
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options = parser.parse_args()
    if options.every_epoch:
        last_checkpoint.MOST_TIME = float("inf")
    clock, thread = host_step.Clock(), host_step.Clock()
    watch(clock, thread)
    ways: dict[str, list[dict[str, float]]] = {"written by a thread": [], "training waits": []}
    for number in range(options.rounds):
        for name in [*ways][:: 1 - 2 * (number % 2)]:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                ways[name].append(round_of(options, clock, thread, waits=name == "training waits"))
    report(options, ways)


def report(options: argparse.Namespace, ways: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians over rounds, in milliseconds an epoch."""
    sys.stdout.write(f"{'ms an epoch':40}{''.join(f'{name:>22}' for name in ways)}\n")
    for part in dict.fromkeys(part for rounds in ways.values() for one in rounds for part in one):
        values = (median(one.get(part, 0.0) for one in rounds) for rounds in ways.values())
        sys.stdout.write(f"{part:40}{''.join(f'{value:22.1f}' for value in values)}\n")
    write_figures(options, ms=ways)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
