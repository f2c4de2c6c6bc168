"""Time of each method's step over fine-tuning's, beside the passes that it takes.

    python benchmarks/method_steps.py --learner SimCLR --batch 128 --images 1280 --steps 5
    python benchmarks/method_steps.py --learner Classifier --methods NegGrad CoUn --output FILE.json

A step has the same number of rows for every method, over all of its streams. Passes are counted by hooks on the
encoder, in passes of all rows of a step: forward with a gradient, forward without one (teachers, momentum encoders),
and backward, which a penalty of a gradient takes twice. Methods take turns within a round, and the first steps are not
counted. The table has medians over rounds. What a method computes before its first step is not part of it; SSD takes
no step.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import logging
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import throughput
from timed_unlearning import add_options, make_learner, quiet, take_turns, train_original, unlearn
from torch import Tensor, nn
from write_figures import write_figures

from unlearning_pl.data import ContrastiveViews, ForgetRequest, UnlearningData
from unlearning_pl.learners import Learner
from unlearning_pl.methods import (
    SCRUB,
    AlignmentCalibration,
    BadTeacher,
    ContrastiveUnlearning,
    CoUn,
    FineTune,
    GradientAscent,
    GradientPenalty,
    HeldOutCalibration,
    L1Sparse,
    NegGrad,
    NegGradPlus,
    PlugIn,
    RandomLabel,
    ReGUn,
    SalUn,
    Unlearner,
    WeightDistance,
    WeightNegation,
)

METHODS: dict[str, Callable[[], Unlearner]] = {
    "FineTune": FineTune,
    "GradientAscent": GradientAscent,
    "NegGrad": NegGrad,
    "NegGradPlus": NegGradPlus,
    "RandomLabel": RandomLabel,
    "SalUn": SalUn,
    "SCRUB": partial(SCRUB, max_epochs=0),
    "BadTeacher": BadTeacher,
    "ReGUn": ReGUn,
    "WeightNegation": WeightNegation,
    "ContrastiveUnlearning": partial(ContrastiveUnlearning, stop=False),
    "AlignmentCalibration": AlignmentCalibration,
    "AlignmentCalibration, authors'": partial(AlignmentCalibration, partner="dataset", views=3),
    "GradientPenalty": GradientPenalty,
    "HeldOutCalibration": HeldOutCalibration,
    "GradientPenalty, target 0": partial(GradientPenalty, target=0.0),
    "GradientPenalty, embeddings": partial(GradientPenalty, wrt="embeddings"),
    "CoUn": CoUn,
    "L1Sparse": L1Sparse,
    "WeightDistance": WeightDistance,
}


class Passes:
    """Counts the rows that pass through the encoders of a learner and of its copies, by kind of pass."""

    def __init__(self, learner: Learner) -> None:
        self.rows: Counter[str] = Counter()
        for name, module in learner.named_modules():
            if name.split(".")[-1] == "backbone":
                module.register_forward_hook(self._forward)  # a copy of the learner, a teacher, has it too

    def _forward(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self.rows["forward" if output.requires_grad else "without gradient"] += len(output)
        if output.requires_grad:
            output.register_hook(self._backward)

    def _backward(self, gradient: Tensor) -> None:
        self.rows["backward"] += len(gradient)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Passes":
        return self


def make_data(options: argparse.Namespace) -> UnlearningData:
    source = throughput.RandomImages(options.images, options.size)
    return UnlearningData(source, ContrastiveViews(), ForgetRequest(fraction=0.1), 0.1, batch_size=options.batch)


def step(options: argparse.Namespace, original: Path, name: str, counted: dict[str, dict[str, float]]) -> float:
    """Seconds of a step of a method; its passes, in passes of all rows, go to ``counted``."""
    method, plugins = METHODS[name](), []
    if isinstance(method, PlugIn):
        method, plugins = FineTune(), [method]
    learner = make_learner(options)
    passes = Passes(learner)
    method.on_train_batch_start = lambda *_: passes.rows.clear()  # type: ignore[method-assign]  # counts the last step
    seconds = unlearn(options, make_data(options), original, method, plugins, False, learner)
    counted[name] = {kind: rows / options.batch for kind, rows in passes.rows.items()}
    return seconds / options.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser)
    parser.add_argument("--methods", nargs="+", choices=[*METHODS], default=[*METHODS], help="Besides FineTune.")
    options = parser.parse_args()
    counted: dict[str, dict[str, float]] = {}
    with TemporaryDirectory() as folder:
        with quiet():
            original = train_original(options, make_data(options), Path(folder))
        names = dict.fromkeys(["FineTune", *options.methods])
        seconds = take_turns({name: partial(step, options, original, name, counted) for name in names}, options.rounds)
    whole = median(seconds["FineTune"])
    kinds = ("forward", "without gradient", "backward")
    sys.stdout.write("| method | step, ms | over FineTune's |" + "".join(f" {kind} |" for kind in kinds) + "\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for name, values in seconds.items():
        passes = "".join(f" {counted[name].get(kind, 0):.2f} |" for kind in kinds)
        sys.stdout.write(f"| {name} | {1e3 * median(values):.0f} | {median(values) / whole:.2f} |{passes}\n")
    write_figures(options, seconds=seconds, passes=counted)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
