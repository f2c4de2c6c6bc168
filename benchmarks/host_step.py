"""What a training step costs beside the model: microseconds of each part, with a learner of one parameter.

    python benchmarks/host_step.py [--steps 400 --rounds 5 --method AlignmentCalibration]

The run is as a user makes it: a folder, TensorBoard, checkpoints, a progress bar; images of 8 x 8 pixels in views that
change nothing. Functions are timed without a profiler, each without the timed functions that it calls; "Lightning and
the rest" is what remains of a step. Medians over rounds, of the mean over the steps of a round.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import partial, wraps
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import throughput
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.connectors.logger_connector.logger_connector import _LoggerConnector
from torch import Tensor, nn
from torch.optim import SGD
from typing_extensions import override

from unlearning_pl import methods
from unlearning_pl.data import Digits, ForgetRequest, UnlearningData, loaders
from unlearning_pl.data.augment.views import Views
from unlearning_pl.learners import Learner, learner
from unlearning_pl.learners.non_finite_guard import NonFiniteGuard
from unlearning_pl.training.last_checkpoint import LastCheckpoint
from unlearning_pl.training.timed_progress_bar import TimedProgressBar
from unlearning_pl.training.trainer import UnlearningTrainer
from unlearning_pl.types import Sample


class SameViews(Views):
    """Views that are the images."""

    @override
    def forward(self, images: Tensor) -> Tensor:
        return images


class Point(Learner):
    """A learner of one parameter, whose outputs are the first pixels."""

    num_views = 1

    def __init__(self) -> None:
        super().__init__(nn.Identity(), 1)
        self.point = nn.Parameter(torch.zeros(1))

    @override
    def features(self, x: Tensor) -> Tensor:
        return x[:, 0, 0, :1] * self.point

    @override
    def outputs(self, sample: Sample) -> Tensor:
        return self.features(sample.views[0])

    @override
    def logits(self, outputs: Tensor) -> Tensor:
        return outputs

    @override
    def losses(self, outputs: Tensor, sample: Sample) -> Tensor:
        return outputs[..., 0].square()

    @override
    def corrupt_targets(self, sample: Sample, partners: Sample | None = None) -> Sample:
        return sample

    @override
    def swap_positives(self, outputs: Tensor, sample: Sample, partner: Tensor) -> tuple[Tensor, Sample]:
        return outputs, sample

    @override
    def alignment(self, outputs: Tensor, sample: Sample) -> Tensor:
        return outputs[..., 0]


class Clock:
    """Seconds of named parts, each without those of the parts within it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = [0.0]

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._inner.append(0.0)
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] += spent - self._inner.pop()
            self._inner[-1] += spent

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of a function or method."""
        function: Callable[..., Any] = getattr(owner, attribute)

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        setattr(owner, attribute, timed)


def watch(clock: Clock) -> None:
    """Time the parts of a step, by the functions that do them."""
    for owner, attribute, name in (
        (loaders.RowDataset, "__getitems__", "rows: positions of a batch"),
        (loaders.Rows, "to", "rows: to the device"),
        (UnlearningData, "on_after_batch_transfer", "sample: seed, views, normalisation"),
        (Learner, "training_step", "training_step: the rest"),
        (learner, "log_term", "log of the loss"),
        (NonFiniteGuard, "update", "non-finite guard"),
        (learner, "mean_loss", "objective: forward"),
        (Tensor, "backward", "backward"),
        (SGD, "step", "optimiser"),
        (Learner, "optimizer_zero_grad", "zero_grad"),
        (LastCheckpoint, "on_train_batch_start", "LastCheckpoint"),
        (TimedProgressBar, "on_train_batch_end", "progress bar"),
        (_LoggerConnector, "update_train_step_metrics", "Lightning's logger connector"),
    ):
        clock.wrap(owner, attribute, name)


class Window(throughput.Window):
    """Starts the clock after the first steps, too."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == throughput.WARM:
            self.clock.seconds.clear()
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)


def round_of(options: argparse.Namespace, clock: Clock) -> dict[str, float]:
    """Microseconds a step, by part."""
    data = UnlearningData(Digits(image_size=8), SameViews(), ForgetRequest(fraction=0.2), batch_size=options.rows)
    window = Window(clock)
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        module = Point()
        module.optimize_with(partial(SGD, lr=0.01, momentum=0.9), "constant")
        method = [] if options.method is None else [getattr(methods, options.method)()]
        run = None if options.bare else str(Path(folder) / "run")
        trainer = UnlearningTrainer(
            run=run,
            accelerator="cpu",
            max_steps=options.steps + throughput.WARM,
            max_epochs=-1,
            enable_model_summary=False,
            seed=0,
            callbacks=[window, *method],
        )
        trainer.fit(module, datamodule=data)
    parts = {name: 1e6 * value / options.steps for name, value in clock.seconds.items()}
    total = 1e6 * window.seconds / options.steps
    return {**parts, "Lightning and the rest": total - sum(parts.values()), "a step": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=100, help="Rows of a batch.")
    parser.add_argument("--method", help="Unlearning method; training without one.")
    parser.add_argument("--bare", action="store_true", help="Without a folder, so without logs and checkpoints.")
    options = parser.parse_args()
    clock = Clock()
    watch(clock)
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        rounds = [round_of(options, clock) for _ in range(options.rounds)]
    for name in dict.fromkeys(name for one in rounds for name in one):
        print(f"{name:42}{median(one.get(name, 0.0) for one in rounds):9.1f}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    main()
