"""What benchmarks of unlearning share: a timed run of a method, and rounds in which ways take turns."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import throughput
import torch
from lightning.pytorch import Callback
from torch.optim import SGD

from unlearning_pl import learners
from unlearning_pl.data import UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.methods import PlugIn, Unlearner
from unlearning_pl.training.trainer import UnlearningTrainer


def make_learner(options: argparse.Namespace) -> Learner:
    torch.manual_seed(0)
    learner: Learner = getattr(learners, options.learner)(options.backbone)
    learner.optimize_with(partial(SGD, lr=0.006, momentum=0.9, weight_decay=5e-4), "constant")
    return learner


def make_trainer(options: argparse.Namespace, run: Path | None, steps: int, callbacks: list[Callback]) -> Any:
    bare = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False} if run is None else {}
    return UnlearningTrainer(
        run=None if run is None else str(run),
        accelerator=options.accelerator,
        devices=1,
        precision=options.precision,
        max_steps=steps,
        max_epochs=1000,  # L1Sparse needs their number
        num_sanity_val_steps=0,
        limit_val_batches=0,
        seed=0,
        callbacks=callbacks,
        **bare,
    )


def train_original(options: argparse.Namespace, data: UnlearningData, folder: Path) -> Path:
    """The run of an original, of a single step."""
    run = folder / "original"
    make_trainer(options, run, 1, []).fit(make_learner(options), datamodule=data)
    return run


def unlearn(
    options: argparse.Namespace,
    data: UnlearningData,
    original: Path,
    method: Unlearner,
    plugins: list[PlugIn],
    has_folder: bool,
    learner: Learner | None = None,
    ends: list[float] | None = None,
) -> float:
    """Seconds of ``options.steps`` steps of a method, after the first ones; ``ends`` gets those of the run's end."""
    window = throughput.Window()
    with TemporaryDirectory() as place:
        run = Path(place) / "run" if has_folder else None
        trainer = make_trainer(options, run, throughput.WARM + options.steps, [window])
        trainer.unlearn(learner or make_learner(options), data, str(original), method, plugins)
        if ends is not None:
            ends.append(window.close())
    return window.seconds


@contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed within the context."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def take_turns(ways: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each way returns, by round; every round begins with another way."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        first = number % len(ways)
        for name in [*ways][first:] + [*ways][:first]:
            with quiet():
                found[name].append(ways[name]())
    return found


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options that these benchmarks share."""
    throughput.add_options(parser)
    parser.set_defaults(steps=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
