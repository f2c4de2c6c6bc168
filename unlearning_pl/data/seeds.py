"""Seeds of everything random in a run: a function of the run's seed and of a place in the run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import torch
from lightning.pytorch.utilities.seed import isolate_rng


def run_seed(seed: int, *where: int | str) -> int:
    """A seed that depends only on the run's seed and on a place in the run, not on what was drawn before.

    A resumed run therefore draws what an uninterrupted one would have drawn.

    Example:
        >>> run_seed(0, "fit", 3) == run_seed(0, "fit", 3) != run_seed(0, "fit", 4)
        True
    """
    return crc32(repr((str(seed), *where)).encode())


def given_seed(trainer: Any) -> int | None:
    """Seed of a run: the trainer's ``seed``, else the argument of ``lightning.seed_everything``; None without either.

    Example:
        >>> from types import SimpleNamespace
        >>> given_seed(SimpleNamespace(seed=3))
        3
    """
    seed: int | None = getattr(trainer, "seed", None)
    recorded = os.environ.get("PL_GLOBAL_SEED")
    return int(recorded) if seed is None and recorded is not None else seed


@contextmanager
def isolated_rng(device: torch.device, seed: int | None = None) -> Iterator[None]:
    """Context manager that restores the global random state, of Python, NumPy, the CPU and one device.

    Args:
        device: The device; its state is not read before CUDA has started, which would prevent a later fork.
        seed: Seed of torch's generators within the context; None leaves them as they are.

    Example:
        >>> before = torch.get_rng_state()
        >>> with isolated_rng(torch.device("cpu"), seed=1):
        ...     _ = torch.rand(3)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    devices = [device] if device.type == "cuda" and torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    with isolate_rng(include_cuda=False), torch.random.fork_rng(devices=devices):
        if seed is not None:
            torch.manual_seed(seed)
        yield
