"""Idle time and kernels of a trace, of events written by hand and of a training on the CPU."""

import argparse
import doctest
import json
import random
from pathlib import Path
from typing import Any

import kernel_trace
import pytest
import trace_step


def event(cat: str, name: str, start: float, end: float) -> dict[str, Any]:
    return {"cat": cat, "name": name, "ts": start, "dur": end - start}


def test_the_doctests() -> None:
    assert doctest.testmod(kernel_trace).failed == 0


@pytest.mark.parametrize("seed", range(20))
def test_the_union_is_the_number_of_covered_points(seed: int) -> None:
    draw = random.Random(seed)
    starts = [draw.randrange(50) for _ in range(draw.randrange(12))]
    intervals = [(start, start + draw.randrange(20)) for start in starts]
    covered = {point for start, end in intervals for point in range(start, end)}
    assert kernel_trace.union_length(intervals) == len(covered)


def test_a_device_is_busy_while_a_kernel_or_a_copy_runs() -> None:
    """Ten steps from 100 to 200: kernels of two streams overlap, one starts before, one ends after."""
    events = [
        event("user_annotation", "window", 100, 200),
        event("gpu_user_annotation", "window", 100, 200),  # covers all, and is no work
        event("kernel", "before", 0, 50),
        event("kernel", "started before", 90, 110),
        event("kernel", "first stream", 120, 140),
        event("kernel", "second stream", 130, 145),
        event("gpu_memcpy", "copy", 145, 150),
        event("kernel", "ends after", 195, 205),
        event("cpu_op", "aten::add", 100, 130),
        event("cpu_op", "aten::empty", 110, 120),
        event("cpu_op", "Optimizer.step", 130, 180),
        {"ph": "M", "name": "process_name", "ts": 0},
    ]
    figures = kernel_trace.summary(events, "window", 10)
    busy = 10 + 25 + 5 + 5
    assert figures == pytest.approx(
        {"step_ms": 0.01, "outside_ops": 0.7, "idle": 1 - busy / 100, "device_ms": busy / 1e4, "kernels": 0.3}
    )


def test_a_trace_without_a_gpu_has_no_idle_time() -> None:
    events = [event("user_annotation", "window", 0, 10), event("cpu_op", "aten::add", 2, 4)]
    assert kernel_trace.summary(events, "window", 1) == {"step_ms": 0.01, "outside_ops": 0.8}


def test_a_training_is_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_step.torch.cuda, "is_available", lambda: False)
    options = argparse.Namespace(learner="SimCLR", backbone="resnet9_slim", batch=8, images=32, size=8)
    options.accelerator, options.precision, options.steps = "cpu", "32-true", 2
    options.method, options.trace = "AlignmentCalibration", tmp_path / "deep/trace.json"
    result = trace_step.traced(options)
    names = [entry["name"] for entry in json.loads(options.trace.read_text())["traceEvents"]]
    assert {trace_step.STEPS, "aten::convolution_backward"} <= {*names}
    assert 0 < result["figures"]["outside_ops"] < 1
    convolutions = next(op for op in result["ops"] if op["name"] == "aten::convolution_backward")
    assert convolutions["calls"] == names.count("aten::convolution_backward") / options.steps
    assert [op["ms"] for op in result["ops"]] == sorted((op["ms"] for op in result["ops"]), reverse=True)
