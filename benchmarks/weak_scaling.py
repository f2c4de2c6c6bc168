"""Images a second of training by one process and by several, each with the same number of rows (weak scaling).

python benchmarks/weak_scaling.py --rounds 3 --images ../shared/data/cifar10
python benchmarks/weak_scaling.py --rounds 5 --accelerator gpu --backbone resnet18 --rows 256 --precision bf16-mixed

Every job is the user's own way: UnlearningTrainer, on several processes by its strategy ddp, here with a thread a
process on CPU. Beside it stand as many jobs of one process at the same time, which exchange nothing: what they lose is
the machine's (memory, clock), and the rest is the price of DDP. On CPU one process with as many threads shows what it
competes with. The ways take turns within a round, so that what else the machine does meets all of them; the first
steps of a job are not counted. Efficiency is the rate over that of one process times their number. docs/benchmarks.md
has the figures.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from torch.optim import SGD

from unlearning_pl import learners, methods
from unlearning_pl.data import ContrastiveViews, Digits, ForgetRequest, Parquet, Source, UnlearningData
from unlearning_pl.data.plans import training_plan
from unlearning_pl.learners import Learner
from unlearning_pl.training import runs
from unlearning_pl.training.stopwatch import Stopwatch
from unlearning_pl.training.trainer import UnlearningTrainer

WARM = 3
"""Steps before the clock starts: memory is taken, and kernels are chosen, in the first ones."""


class Way(NamedTuple):
    """How the work is done: so many jobs at once, each with so many processes of so many threads."""

    jobs: int
    processes: int
    threads: int

    def __str__(self) -> str:
        if self.jobs > 1:
            return f"{self.jobs} jobs of one process at once"
        words = f"{self.processes} processes" if self.processes > 1 else "one process"
        return f"{words}, {self.threads} threads" if self.threads > 1 else words


class Clock(Stopwatch):
    """Seconds from the end of the last warming step to the end of the last step."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        pass

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == WARM:
            settle()
            self._started = time.monotonic()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        settle()
        super().on_train_end(trainer, pl_module)


def settle() -> None:
    """Wait until the device has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def make_data(options: argparse.Namespace, processes: int) -> UnlearningData:
    source: Source = Digits(image_size=32)
    if options.images:
        train, test = (f"{options.images}/{part}-*.parquet" for part in ("train", "test"))
        source = Parquet(train, test, train_size=10_000, test_size=100)
    forget = ForgetRequest(fraction=0.1)
    return UnlearningData(source, ContrastiveViews(), forget, batch_size=options.rows * processes)


def make_learner(options: argparse.Namespace) -> Learner:
    learner: Learner = getattr(learners, options.learner)(backbone=options.backbone)
    learner.optimize_with(partial(SGD, lr=0.01, momentum=0.9))
    return learner


def make_trainer(options: argparse.Namespace, **others: Any) -> UnlearningTrainer:
    quiet: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    return UnlearningTrainer(accelerator=options.accelerator, precision=options.precision, **quiet, **others)


def work(options: argparse.Namespace) -> None:
    """One of the processes of a job; that of rank 0 writes the images a second of all of them."""
    what, processes, threads, folder, result = options.job
    processes, clock = int(processes), Clock()
    torch.set_num_threads(int(threads))
    torch.manual_seed(0)
    several: dict[str, Any] = {"devices": processes, "strategy": "ddp" if processes > 1 else "auto"}
    trainer = make_trainer(options, max_epochs=-1, max_steps=WARM + options.steps, callbacks=[clock], **several)
    learner, data = make_learner(options), make_data(options, processes)
    if what == "fit":
        trainer.fit(learner, datamodule=data)
    else:
        trainer.unlearn(learner, data, folder, getattr(methods, what)())
    streams = training_plan(trainer, learner, data.train_on).streams(0)
    rows = sum(data.rows(streams, processes).values())
    if trainer.is_global_zero:
        Path(result).write_text(str(rows * options.steps / clock.seconds))


def rate(what: str, way: Way, folder: Path) -> float:
    """Images a second of one way, all its jobs together."""
    results = [folder / f"rate{number}.json" for number in range(way.jobs)]
    started = []
    gpus = (os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(way.jobs)))).split(",")
    for number, result in enumerate(results):
        words = [what, str(way.processes), str(way.threads), str(folder / "original"), str(result)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(way.threads)}
        if way.jobs > 1:
            environment["CUDA_VISIBLE_DEVICES"] = gpus[number % len(gpus)]
        command = [sys.executable, __file__, *sys.argv[1:], "--job", *words]
        started.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for job in started:
        _, said = job.communicate()
        if job.returncode:
            raise SystemExit(f"A job failed ({what}, {way}):\n{said}")
    return sum(float(result.read_text()) for result in results)


def ways(options: argparse.Namespace) -> list[Way]:
    several = [count for count in options.processes if count > 1]
    found = [Way(1, 1, 1)]
    for count in several:
        found += [Way(1, count, 1), Way(count, 1, 1)]
        found += [Way(1, 1, count)] if options.accelerator == "cpu" else []
    return found


def table(found: dict[tuple[str, Way], list[float]]) -> str:
    lines = ["| training | way | images/s | lowest to highest | efficiency |", "|---|---|---|---|---|"]
    for (what, way), rates in found.items():
        alone, median = statistics.median(found[what, Way(1, 1, 1)]), statistics.median(rates)
        efficiency = median / alone / (way.jobs * way.processes * way.threads)
        spread = f"{min(rates):.0f} to {max(rates):.0f}"
        lines.append(f"| {what} | {way} | {median:.0f} | {spread} | {efficiency:.2f} |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20, help="steps of a job that are counted")
    parser.add_argument("--rows", type=int, default=64, help="rows of a step of each process")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--train", nargs="+", default=["fit", "AlignmentCalibration"], help="fit, or names of methods")
    parser.add_argument("--learner", default="SimCLR")
    parser.add_argument("--backbone", default="resnet9_slim")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--precision", default="32-true")
    parser.add_argument("--images", help="folder with train-*.parquet and test-*.parquet; else scikit-learn's digits")
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.job:
        work(options)
        return
    load = os.getloadavg()[0]
    found: dict[tuple[str, Way], list[float]] = {(what, way): [] for what in options.train for way in ways(options)}
    weights = sum(weight.numel() for weight in make_learner(options).parameters() if weight.requires_grad)
    with TemporaryDirectory() as name:
        folder = Path(name)
        original = make_trainer(options, run=str(folder / "original"), devices=1, max_epochs=1, limit_train_batches=1)
        original.fit(make_learner(options), datamodule=make_data(options, 1))
        for _ in range(options.rounds):
            for (what, way), rates in found.items():
                rates.append(rate(what, way, folder))
                print(f"{what}, {way}: {rates[-1]:.0f} images/s", file=sys.stderr)
    facts = runs.environment()
    print(
        f"{options.learner} with {options.backbone}, {options.precision}, {options.rows} rows a process, {WARM} + ",
        end="",
    )
    print(f"{options.steps} steps, {options.rounds} rounds; {4 * weights / 1e6:.1f} MB of gradients a step")
    print(f"{facts['hardware']}; {', '.join(f'{name} {number}' for name, number in facts['versions'].items())}")
    print(f"Load average {load:.1f} before and {os.getloadavg()[0]:.1f} after\n\n{table(found)}")


if __name__ == "__main__":
    main()
