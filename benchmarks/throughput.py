"""Images a second of training: a bare loop, the trainer without a folder, and the trainer as a user runs it.

    python benchmarks/throughput.py --learner SimCLR --backbone resnet9_slim --batch 256 --images 2560
    python benchmarks/throughput.py --learner Classifier --backbone resnet18 --batch 64 --images 640 --output FILE.json
    python benchmarks/throughput.py --accelerator gpu --backbone resnet18 --precision bf16-mixed --compile true

The bare loop has the same model, views, loss, optimiser and precision (TF32 and fused kernels on CUDA), and nothing
else: no Lightning, no logs, no checkpoints. A user's run has a folder, TensorBoard, a progress bar and checkpoints. The
end of that run, with its last checkpoint, is no part of the steps: a run has one, however long it is, and the table has
its seconds in a row of their own. All of them draw views from images in memory. The
ways take turns within a round; the first steps of each are not counted, the end of an epoch is. The table has medians
over rounds, and the ratio of each way to the bare loop. With ``--compile`` the bare loop and the trainer are measured
compiled, too, in that mode; compiling is part of the first steps.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import SGD
from typing_extensions import override
from write_figures import write_figures

from unlearning_pl import learners
from unlearning_pl.data import ContrastiveViews, ForgetRequest, ImageSet, Source, UnlearningData
from unlearning_pl.data.loaders import Rows
from unlearning_pl.data.make_samples import make_sample
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.learners import Learner, mean_loss
from unlearning_pl.learners.fused_optimizer import use_fused
from unlearning_pl.training.compilation import CompileMode, compiled
from unlearning_pl.training.cuda_precision import cuda_precision
from unlearning_pl.training.trainer import UnlearningTrainer

WARM = 3
"""First steps, which are not counted."""
END = "end of the run, seconds"


class RandomImages(Source):
    """Random images in memory, of ten classes."""

    mean = std = (0.5, 0.5, 0.5)

    def __init__(self, count: int, size: int) -> None:
        self.count, self.size = count, size

    def load(self) -> tuple[ImageSet, ImageSet]:
        generator = torch.Generator().manual_seed(0)
        sets = []
        for name, count in (("train", self.count), ("test", 10)):
            images = torch.randint(256, (count, 3, self.size, self.size), generator=generator, dtype=torch.uint8)
            targets = torch.randint(10, (count,), generator=generator)
            ids = [f"{name}{row}" for row in range(count)]
            sets.append(ImageSet(images, targets, ids, [str(number) for number in range(10)]))
        return sets[0], sets[1]


class Window(Callback):
    """Seconds from the end of the first steps to the end of the last one, and from there to :meth:`close`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == WARM:
            settle()
            self._start = time.perf_counter()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        settle()
        self._end = time.perf_counter()
        self.seconds = self._end - self._start

    def close(self) -> float:
        """Seconds since the last step: the end of a run, whose last checkpoint callbacks after this one write."""
        return time.perf_counter() - self._end


def settle() -> None:
    """Wait until the device has finished."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make(options: argparse.Namespace) -> tuple[Learner, UnlearningData]:
    torch.manual_seed(0)
    learner: Learner = getattr(learners, options.learner)(options.backbone)
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9, weight_decay=5e-4), "constant")
    source, views = RandomImages(options.images, options.size), ContrastiveViews()
    return learner, UnlearningData(source, views, ForgetRequest(fraction=0.1), batch_size=options.batch)


def bare(options: argparse.Namespace, mode: CompileMode = False) -> float:
    """Seconds of the counted steps in a loop of torch alone."""
    learner, data = make(options)
    data.load()
    with (
        cuda_precision(device_of(options), True),
        compiled(learner, data.views, mode) if mode else nullcontext(),
    ):
        return loop(options, learner, data, mode)


def device_of(options: argparse.Namespace) -> torch.device:
    return torch.device("cuda" if options.accelerator == "gpu" else "cpu")


def autocast_of(options: argparse.Namespace) -> AbstractContextManager[Any]:
    is_mixed = options.precision == "bf16-mixed"
    return torch.autocast(device_of(options).type, torch.bfloat16) if is_mixed else nullcontext()


def loop(options: argparse.Namespace, learner: Learner, data: UnlearningData, mode: CompileMode) -> float:
    device = device_of(options)
    learner.to(device, memory_format=torch.channels_last).train()
    optimizer = SGD(learner.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    use_fused(optimizer)
    plan = SamplePlan.training(InputSpec.of(learner), seed=0)
    precision = autocast_of(options)
    start = 0.0
    for step in range(WARM + options.steps):
        if step == WARM:
            settle()
            start = time.perf_counter()
        if mode == "graphs":
            torch.compiler.cudagraph_mark_step_begin()
        index = torch.randint(options.images, (options.batch,), device=device)
        sample = make_sample(data.pool, data.views, Rows(index, None, plan, first=0))
        with precision:
            loss = mean_loss(learner, {"train": sample})
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    settle()
    return time.perf_counter() - start


def fitted(
    options: argparse.Namespace,
    folder: bool,
    *callbacks: Callback,
    mode: CompileMode = False,
    ends: list[float] | None = None,
) -> float:
    """Seconds of the counted steps by the trainer; those of the end of the run are appended to ``ends``."""
    learner, data = make(options)
    window = Window()
    with TemporaryDirectory() as place:
        run = str(Path(place) / "run") if folder else None
        quiet = {} if folder else {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        trainer = UnlearningTrainer(
            run=run,
            accelerator=options.accelerator,
            devices=1,
            precision=options.precision,
            max_steps=WARM + options.steps,
            max_epochs=-1,
            seed=0,
            compile=mode,
            callbacks=[window, *callbacks],
            **quiet,
        )
        trainer.fit(learner, datamodule=data)
        if ends is not None:
            ends.append(window.close())
    return window.seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of the training that is measured."""
    parser.add_argument("--learner", default="SimCLR")
    parser.add_argument("--backbone", default="resnet9_slim")
    parser.add_argument("--batch", type=int, default=256, help="Rows of a step.")
    parser.add_argument("--images", type=int, default=2560, help="Training images: an epoch's.")
    parser.add_argument("--size", type=int, default=32, help="Pixels of a side.")
    parser.add_argument("--precision", default="32-true", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--steps", type=int, default=20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", choices=["true", "graphs"], help="Measure compiled ways, too, in this mode.")
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options = parser.parse_args()
    ends: list[float] = []
    ways: dict[str, Callable[[], float]] = {
        "bare loop": lambda: bare(options),
        "trainer": lambda: fitted(options, folder=False),
        "trainer, as a user runs it": lambda: fitted(options, folder=True, ends=ends),
    }
    if options.compile is not None:
        mode: CompileMode = options.compile == "true" or "graphs"
        ways["bare loop, compiled"] = lambda: bare(options, mode)
        ways["trainer, compiled"] = lambda: fitted(options, folder=False, mode=mode)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(options.rounds):
        first = number % len(ways)
        for name in [*ways][first:] + [*ways][:first]:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
                seconds[name].append(ways[name]())
    rates = {name: options.batch * options.steps / median(values) for name, values in seconds.items()}
    for name, rate in rates.items():
        sys.stdout.write(f"{name:30}{rate:10.0f} images/s{rate / rates['bare loop']:8.3f}\n")
    sys.stdout.write(f"{END:30}{median(ends):10.3f}\n")
    write_figures(options, seconds=seconds, ends=ends, images_per_second=rates)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
