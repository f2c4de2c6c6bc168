"""What a trace of torch.profiler says of a window of steps: pure functions of its events.

An event is an entry of ``traceEvents``: ``cat``, ``name``, and its start ``ts`` and duration ``dur`` in microseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Event = Mapping[str, Any]
Interval = tuple[float, float]

DEVICE = ("kernel", "gpu_memcpy", "gpu_memset")
"""Categories of what a GPU does; annotations on its timeline are not among them."""


def union_length(intervals: Iterable[Interval]) -> float:
    """Length of the union of intervals (start, end).

    Example:
        >>> union_length([(0, 2), (5, 6), (1, 3)])
        4.0
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total


def clipped(events: Iterable[Event], window: Interval) -> list[Interval]:
    """The parts of events that lie within a window.

    Example:
        >>> clipped([{"ts": 0, "dur": 4}, {"ts": 9, "dur": 1}], (3, 8))
        [(3, 4)]
    """
    parts = ((max(event["ts"], window[0]), min(event["ts"] + event["dur"], window[1])) for event in events)
    return [(start, end) for start, end in parts if start < end]


def window_of(events: Iterable[Event], name: str) -> Interval:
    """Start and end of the one host annotation of a name."""
    (event,) = (event for event in events if event.get("cat") == "user_annotation" and event["name"] == name)
    return event["ts"], event["ts"] + event["dur"]


def is_aten(event: Event) -> bool:
    return event.get("cat") == "cpu_op" and event["name"].startswith("aten::")


def summary(events: Sequence[Event], name: str, steps: int) -> dict[str, float]:
    """Fractions of a window and counts a step.

    Args:
        events: Entries of a trace.
        name: The annotation around the steps.
        steps: Number of steps in it.

    Returns:
        ``step_ms``; ``outside_ops``, the fraction of the window in which no thread of the host is within an operation
        of torch; with a GPU also ``idle``, the fraction in which it does nothing, ``device_ms``, what it is busy a
        step, and ``kernels`` a step.
    """
    window = window_of(events, name)
    length = window[1] - window[0]
    device = [event for event in events if event.get("cat") in DEVICE]
    host = union_length(clipped(filter(is_aten, events), window))
    result = {"step_ms": length / steps / 1e3, "outside_ops": 1 - host / length}
    if device:
        busy = union_length(clipped(device, window))
        kernels = [event for event in device if event["cat"] == "kernel" and window[0] <= event["ts"] < window[1]]
        result |= {"idle": 1 - busy / length, "device_ms": busy / steps / 1e3, "kernels": len(kernels) / steps}
    return result
