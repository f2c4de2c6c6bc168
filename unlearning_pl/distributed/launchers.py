"""Processes that torchrun or SLURM launched, and requests to SLURM."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import Strategy

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


def requeue_slurm_job() -> str:
    """Ask SLURM to requeue this job, and return the outcome in a few words."""
    job = os.environ.get("SLURM_JOB_ID", "")
    if not job:
        return "no SLURM job to requeue"
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if shutil.which("scontrol") is None:
        return f"no scontrol on this machine to requeue SLURM job {job}"
    process = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if process.returncode:
        return f"SLURM refused to requeue job {job}: {' '.join(process.stderr.split())}"
    return f"SLURM job {job} is requeued"


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


def started_by_srun() -> bool:
    """Whether srun started this process, by Lightning's criterion.

    An interactive shell in an allocation has the same variables, but its job is named ``bash`` or ``interactive``.

    Example:
        >>> started_by_srun()
        False
    """
    return "SLURM_NTASKS" in os.environ and SLURMEnvironment.job_name() not in ("bash", "interactive")
