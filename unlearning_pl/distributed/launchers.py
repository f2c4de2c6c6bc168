"""Processes that torchrun, SLURM or Lightning launched."""

import math
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.pytorch.strategies import Strategy

from unlearning_pl.distributed.slurm import started_by_srun
from unlearning_pl.errors import require


def launched_processes() -> dict[str, int]:
    """Processes per node (``devices``) and nodes (``num_nodes``), if torchrun or srun launched the processes.

    Returns:
        A dictionary with both numbers; an empty one if nothing launched this process.

    Raises:
        InputError: If the number of SLURM tasks does not match ``--ntasks-per-node``.

    Example:
        >>> launched_processes()  # started from a shell
        {}
    """
    env = os.environ
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices, processes = int(env["LOCAL_WORLD_SIZE"]), int(env["WORLD_SIZE"])
    elif started_by_srun():
        processes, nodes = int(env["SLURM_NTASKS"]), int(env.get("SLURM_NNODES", "1"))
        devices = processes // nodes
        per_node = int(env.get("SLURM_NTASKS_PER_NODE", devices))
        require(
            processes in (1, per_node * nodes),  # a single task, started by hand in the job, trains in one process
            f"Expected --ntasks-per-node={per_node} on each of {nodes} nodes, got --ntasks={processes}. Leave --ntasks "
            "out of the sbatch command.",
        )
    else:
        return {}
    return {"devices": devices, "num_nodes": max(1, processes // max(1, devices))}


@contextmanager
def terminate_children_on_error(strategy: Strategy, seconds: float = 10.0) -> Iterator[None]:
    """Context that, on an error in this process, ends the child processes that Lightning started.

    The children may wait in vain for this process.

    Args:
        strategy: Strategy whose launcher started the children.
        seconds: Time that the children have to exit before they are killed.
    """
    try:
        yield
    except BaseException:
        deadline = time.monotonic() + seconds
        for process in getattr(strategy.launcher, "procs", []):
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
        raise


def require_single_process() -> None:
    """Check that torchrun or srun did not launch several processes: each would run the whole job.

    Raises:
        InputError: If there are several processes.

    Example:
        >>> require_single_process()
    """
    processes = math.prod(launched_processes().values())
    require(
        processes == 1,
        f"Expected one process, got {processes}. Start the command without torchrun or with one task; other seeds can "
        "run in parallel.",
    )
