"""A trace of training steps as a user runs them: what the device does, and for what fraction of the time it waits.

    python benchmarks/trace_step.py --learner SimCLR --backbone resnet9_slim --batch 256 --steps 10
    python benchmarks/trace_step.py --accelerator gpu --backbone resnet18 --batch 512 --precision bf16-mixed
    python benchmarks/trace_step.py --method AlignmentCalibration --trace runs/trace.json --output FILE.json

The trace opens in Perfetto (https://ui.perfetto.dev) or chrome://tracing. Printed are, of the steps after the first:
with a GPU the fraction of the time in which it is idle and the kernels of a step; the fraction in which no thread of
the host is within an operation of torch; and the ten operations that take longest, by their own time on the device.
The profiler slows the host down: take times of steps from throughput.py.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import json
import logging
import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import kernel_trace
import throughput
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function
from typing_extensions import override
from write_figures import write_figures

from unlearning_pl import methods

STEPS = "traced steps"
"""The annotation around the steps in the trace."""


class TraceSteps(Callback):
    """Profiles the steps after the first ones.

    Args:
        steps: Number of steps.
    """

    def __init__(self, steps: int) -> None:
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
        self.steps, self.profiler, self._annotation = steps, profile(activities=activities), record_function(STEPS)

    @override
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == throughput.WARM:
            throughput.settle()
            self.profiler.start()
            self._annotation.__enter__()

    @override
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == throughput.WARM + self.steps:
            throughput.settle()
            self._annotation.__exit__(None, None, None)
            self.profiler.stop()


def expensive_ops(profiler: profile, steps: int, count: int = 10) -> list[dict[str, Any]]:
    """The operations with the largest time of their own, on the device if there is one; milliseconds a step."""
    own = "self_device_time_total" if torch.cuda.is_available() else "self_cpu_time_total"
    ops = [op for op in profiler.key_averages() if op.device_type == DeviceType.CPU and not op.is_user_annotation]
    return [
        {"name": op.key, "ms": getattr(op, own) / steps / 1e3, "calls": op.count / steps}
        for op in sorted(ops, key=lambda op: -getattr(op, own))[:count]
    ]


def traced(options: argparse.Namespace) -> dict[str, Any]:
    """Write the trace, and return what it says."""
    tracer = TraceSteps(options.steps)
    method = [] if options.method is None else [getattr(methods, options.method)()]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        throughput.fitted(options, True, tracer, *method)
    options.trace.parent.mkdir(parents=True, exist_ok=True)
    tracer.profiler.export_chrome_trace(str(options.trace))
    events = json.loads(options.trace.read_text())["traceEvents"]
    figures = kernel_trace.summary(events, STEPS, options.steps)
    return {"figures": figures, "ops": expensive_ops(tracer.profiler, options.steps)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    throughput.add_options(parser)
    parser.add_argument("--method", help="Unlearning method; training without one.")
    parser.add_argument("--trace", type=Path, default=Path("build/trace.json"), help="The file to open in Perfetto.")
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options = parser.parse_args()
    result = traced(options)
    for name, value in result["figures"].items():
        sys.stdout.write(f"{name:14}{value:10.3f}\n")
    for op in result["ops"]:
        sys.stdout.write(f"{op['name'][:60]:60}{op['ms']:10.3f} ms{op['calls']:10.1f} calls a step\n")
    write_figures(options, **result)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
