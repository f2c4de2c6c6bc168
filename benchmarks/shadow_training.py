"""Several small models on one machine: one after another, a process each, or stacked by torch.func.

python benchmarks/shadow_training.py --models 4 --rounds 5

Prints images per second, summed over the models, and the ratio of medians to one after another. The three ways take
turns within one run, so that what else the machine does meets all of them. docs/shadow.md has the figures.
"""

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from unlearning_pl.cli.job_runner import Call, run_jobs, worker_environments
from unlearning_pl.data import Digits
from unlearning_pl.learners import Classifier, Learner, SimCLR
from unlearning_pl.types import Sample

BATCH, RATE = 100, 0.05
"""Rows of a step, and the rate of plain descent, which all three ways take alike."""
CORES = len(os.sched_getaffinity(0))


class Loss(nn.Module):
    """The mean loss of a learner, as a module that torch.func can call."""

    def __init__(self, kind: str, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.learner: Learner = {"SimCLR": SimCLR, "Classifier": Classifier}[kind]("resnet9_slim")

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        images = images.to(next(self.learner.parameters()).dtype)
        views = tuple(images + noise for noise in (0.0, 0.05)[: self.learner.num_views])
        sample = Sample(views, target, torch.arange(len(target)))
        return self.learner.losses(self.learner.outputs(sample), sample).mean()


def batches(steps: int) -> list[tuple[Tensor, Tensor]]:
    train, _ = Digits(train_size=400, image_size=16).load()
    images, targets = train.images.float() / 255, train.targets
    return [(images[rows], targets[rows]) for rows in torch.arange(steps * BATCH).remainder(400).split(BATCH)]


def train(model: nn.Module, steps: int) -> None:
    for images, target in batches(steps):
        gradients = torch.autograd.grad(model(images, target), [*model.parameters()])
        with torch.no_grad():
            for weight, gradient in zip(model.parameters(), gradients, strict=True):
                weight -= RATE * gradient


def one_after_another(models: list[Loss], steps: int) -> None:
    for model in models:
        train(model, steps)


def stacked(models: list[Loss], steps: int) -> dict[str, Any]:
    """All models in one pass: their weights in one tensor each, convolutions by groups."""
    parameters, buffers = stack_module_state(models)

    def loss(weights: dict[str, Tensor], state: dict[str, Tensor], images: Tensor, target: Tensor) -> Tensor:
        return functional_call(models[0], (weights, state), (images, target))

    step = vmap(grad(loss), in_dims=(0, 0, None, None))
    for images, target in batches(steps):
        gradients = step(parameters, buffers, images, target)
        parameters = {name: (w - RATE * gradients[name]).detach() for name, w in parameters.items()}
    return parameters


def worker(kind: str, seeds: list[int], steps: int, pipe: Connection) -> None:
    """Train some models each time that it is told to."""
    torch.set_num_threads(1)
    models = [Loss(kind, seed) for seed in seeds]
    pipe.send("ready")
    while pipe.recv():
        one_after_another(models, steps)
        pipe.send("done")


class Workers:
    """One process a core, each with its share of the models and one thread."""

    def __init__(self, kind: str, count: int, steps: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes, self.processes = [], []
        for first in range(min(CORES, count)):
            ours, theirs = context.Pipe()
            seeds = [*range(first, count, min(CORES, count))]
            process = context.Process(target=worker, args=(kind, seeds, steps, theirs))
            process.start()
            theirs.close()  # so that a worker that fails is noticed
            self.pipes.append(ours)
            self.processes.append(process)
        for pipe in self.pipes:
            pipe.recv()

    def work(self) -> None:
        for pipe in self.pipes:
            pipe.send(True)
        for pipe in self.pipes:
            pipe.recv()

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.send(False)
        for process in self.processes:
            process.join()


def difference(kind: str, count: int) -> float:
    """Largest difference of a weight after two steps, stacked against alone, in float64: the models are the same."""
    models = [Loss(kind, seed).double() for seed in range(count)]
    together = stacked([Loss(kind, seed).double() for seed in range(count)], steps=2)
    one_after_another(models, steps=2)
    alone, _ = stack_module_state(models)
    return max((alone[name] - together[name]).abs().max().item() for name in alone)


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def commands(folder: Path, count: int, processes: int) -> None:
    """Train originals by the command, as ``shadow`` does, a given number at a time."""
    words = (
        "fit --model Classifier --model.backbone resnet9_slim --data.source Digits --data.batch_size 100 --overwrite"
    )
    words += " --trainer.accelerator cpu --trainer.enable_progress_bar false --trainer.max_epochs 30"
    jobs = {
        str(number): iter([Call([*words.split(), "--run", str(folder / str(number))], folder / f"{number}.txt")])
        for number in range(count)
    }
    failures: dict[str, str | None] = {}
    run_jobs(jobs, worker_environments(count, processes), failures.__setitem__)
    assert not any(failures.values()), failures


def measure_commands(count: int, rounds: int) -> None:
    found: dict[int, list[float]] = {1: [], CORES: []}
    with TemporaryDirectory() as folder:
        for _ in range(rounds):
            for processes, times in found.items():
                times.append(seconds(partial(commands, Path(folder), count, processes)))
    print(f"Commands, {count} models of 30 epochs, start included")
    for processes, times in found.items():
        ratio, spread = statistics.median(found[1]) / statistics.median(times), f"{min(times):.0f} to {max(times):.0f}"
        print(f"  {processes} at a time: {statistics.median(times):.0f} s ({spread}), {ratio:.2f} times")


def measure(kind: str, count: int, steps: int, rounds: int) -> None:
    torch.set_num_threads(CORES)
    models, workers = [Loss(kind, seed) for seed in range(count)], Workers(kind, count, steps)
    ways: dict[str, Callable[[], Any]] = {
        "one after another": lambda: one_after_another(models, steps),
        "a process each": workers.work,
        "stacked": lambda: stacked(models, steps),
    }
    for work in ways.values():
        work()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            found[name].append(seconds(work))
    workers.close()
    medians = {name: count * steps * BATCH / statistics.median(times) for name, times in found.items()}
    print(f"{kind}, {count} models, {CORES} cores, weights differ by at most {difference(kind, count):.1e}")
    for name, rate in medians.items():
        spread = [count * steps * BATCH / time for time in found[name]]
        ratio = rate / medians["one after another"]
        print(f"  {name:18} {rate:7.0f} images/s ({min(spread):.0f} to {max(spread):.0f}), {ratio:.2f} times")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for kind in ("Classifier", "SimCLR"):
        measure(kind, options.models, options.steps, options.rounds)
    measure_commands(options.models, min(3, options.rounds))


if __name__ == "__main__":
    main()
