"""Time and memory of a plan, from one step that is taken on this machine.

Letters: B rows of a batch.
"""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.forgetting.forget_plan import AUDIT, EXPORT, IMPORT, PREVIEW, RETRAIN, UNLEARN
from unlearning_pl.images.machine_memory import available_memory
from unlearning_pl.learners import Learner
from unlearning_pl.training.progress_log import format_seconds

AUDIT_VIEWS = 10
"""Views of an image in an audit, by default."""


class MeasuredStep(NamedTuple):
    """A step on this machine.

    Attributes:
        rows: B.
        step: Seconds of a forward and a backward pass of B images, in all views that the loss needs.
        forward: Seconds of a forward pass of one view of one image.
        peak: Bytes of memory at the peak, of this process or of the GPU.
    """

    rows: int
    step: float
    forward: float
    peak: int


class Estimate(NamedTuple):
    """What a plan takes.

    Attributes:
        seconds: Seconds by the name of the step; the attacks and probes of the audit come on top.
        peak: Bytes of memory of a step.

    Example:
        >>> str(Estimate({"original": 1.0, "unlearned": 20.0, "audit": 60.0}, peak=10**9))  # doctest: +ELLIPSIS
        'about 81 s (unlearning 20 s, the audit 60 s, the rest 1 s); a step takes 1.0 GB of memory...'
    """

    seconds: Mapping[str, float]
    peak: int

    def __str__(self) -> str:
        total, titles = sum(self.seconds.values()), {UNLEARN: "unlearning", RETRAIN: "retraining", AUDIT: "the audit"}
        parts = {title: self.seconds[name] for name, title in titles.items() if name in self.seconds}
        parts["the rest"] = total - sum(parts.values())
        listed = ", ".join(f"{title} {format_seconds(seconds)}" for title, seconds in parts.items())
        memory = f"{self.peak / 1e9:.1f} GB of memory"
        free = "" if torch.cuda.is_available() else f", and {available_memory() / 1e9:.1f} GB are free"
        return f"about {format_seconds(total)} ({listed}); a step takes {memory}{free}"


def measure_step(learner: Learner, data: UnlearningData) -> MeasuredStep:
    """Take a step without an optimizer on a batch of retain images, twice; the second is timed.

    Args:
        learner: The model; its gradients are cleared.
        data: The data, with a request.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = SamplePlan.training(InputSpec.of(learner), seed=0)
    sample = next(iter(data.samples(("retain",), plan, device)["retain"]))
    learner = learner.to(device).train(len(sample.index) > 1)  # batch normalisation refuses a single row

    def step() -> None:
        learner.losses(learner.outputs(sample), sample).mean().backward()  # type: ignore[no-untyped-call]
        learner.zero_grad()

    seconds = [_time(step, device) for _ in range(2)][-1]
    peak = torch.cuda.max_memory_allocated() if device.type == "cuda" else _peak_memory()
    with torch.no_grad():
        forward = [_time(lambda: learner.eval().features(sample.views[0]), device) for _ in range(2)][-1]
    rows = len(sample.index)
    return MeasuredStep(rows, seconds, forward / rows, peak)


def estimate(
    step: MeasuredStep, data: UnlearningData, epochs: int, retrain: int | None, opening: float = 0.0
) -> Estimate:
    """Estimate the time of each step of a plan from a measured step.

    Args:
        step: The step.
        data: The data, with a request.
        epochs: Epochs of unlearning.
        retrain: Epochs of the retrained reference, if there is one.
        opening: Seconds in which a command opens the model and the images.
    """
    counts = data.splits.counts()
    images = counts["retain"] + counts["forget"] + counts["test"]
    models = 2 if retrain is None else 3
    per_row = step.step / step.rows
    trained = counts["retain"] + counts["forget"]
    relearning = models * 10 * counts["forget"] * per_row
    seconds = {IMPORT: 0.0, PREVIEW: trained * step.forward, UNLEARN: epochs * trained * per_row}
    if retrain is not None:
        seconds[RETRAIN] = retrain * counts["retain"] * per_row
    seconds |= {AUDIT: models * images * (AUDIT_VIEWS + 1) * step.forward + relearning, EXPORT: 0.0}
    return Estimate({name: opening + value for name, value in seconds.items()}, step.peak)


def _time(run: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def _peak_memory() -> int:
    """Largest resident memory of this process so far; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux the getrusage of a process begins with that of the one that started it
        peaks = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return 1024 * int(peaks[0]) if peaks else 0
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
