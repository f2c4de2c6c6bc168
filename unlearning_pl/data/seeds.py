"""Seeds of everything random in a run: a function of the run's seed and of a place in the run."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import numpy as np
import torch


def run_seed(seed: int, *where: int | str) -> int:
    """A seed that depends only on the run's seed and on a place in the run, not on what was drawn before.

    A resumed run therefore draws what an uninterrupted one would have drawn.

    Example:
        >>> run_seed(0, "fit", 3) == run_seed(0, "fit", 3) != run_seed(0, "fit", 4)
        True
    """
    return crc32(repr((str(seed), *where)).encode())


def given_seed(trainer: Any) -> int | None:
    """Seed that a run was given: the trainer's ``seed``, else the argument of ``lightning.seed_everything``.

    Example:
        >>> from types import SimpleNamespace
        >>> given_seed(SimpleNamespace(seed=3))
        3
    """
    seed: int | None = getattr(trainer, "seed", None)
    recorded = os.environ.get("PL_GLOBAL_SEED")
    return int(recorded) if seed is None and recorded is not None else seed


def effective_seed(trainer: Any) -> int:
    """Seed of a run: the given one, 0 without one.

    Example:
        >>> from types import SimpleNamespace
        >>> effective_seed(SimpleNamespace(seed=3))
        3
    """
    return given_seed(trainer) or 0


@contextmanager
def isolated_rng(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Context manager that restores the random state of Python, NumPy, torch on the CPU, and of one device.

    Args:
        device: The device. A CUDA device that has not been started when the context begins, and is when it ends, is
            left with the seed of the CPU, as ``torch.manual_seed`` would have done.
        seed: Seed of torch's generators of the CPU and the device within the context; None leaves them as they are.

    Example:
        >>> before = torch.get_rng_state()
        >>> with isolated_rng(torch.device("cpu"), seed=1):
        ...     _ = torch.rand(3)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    started = _is_started(device)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state(), started and _state(device)
    try:
        if seed is not None:
            seed_generators(device, seed)
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if started:
            torch.get_device_module(device).set_rng_state(states[3], device)
        elif _is_started(device):
            seed_generators(device, torch.initial_seed())


def _is_started(device: torch.device) -> bool:
    """Whether a device has a generator of its own; that of CUDA would prevent a later fork if it were asked."""
    return device.type == "mps" or (device.type == "cuda" and torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


def _state(device: torch.device) -> torch.Tensor:
    state: torch.Tensor = torch.get_device_module(device).get_rng_state(device)
    return state


def seed_generators(device: torch.device, seed: int) -> None:
    """Seed torch's generators of the CPU and of one device.

    ``torch.manual_seed`` seeds all devices, and formats the call stack where CUDA has not been started, which takes
    most of a millisecond in a trainer's depth.

    Example:
        >>> seed_generators(torch.device("cpu"), 3)
        >>> torch.equal(torch.rand(2), torch.rand(2, generator=torch.Generator().manual_seed(3)))
        True
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)
