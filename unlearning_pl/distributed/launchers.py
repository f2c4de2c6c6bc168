"""What the program that started the processes says of them: torchrun, SLURM, or nobody."""

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
    """Processes of a node (``devices``) and nodes (``num_nodes``), where torchrun or srun has started them.

    Raises:
        InputError: If SLURM's tasks are not as many on each node as was said.

    Example:
        >>> launched_processes()  # a shell started this one
        {}
    """
    known = os.environ
    if torch.distributed.is_available() and torch.distributed.is_torchelastic_launched():
        devices, processes = int(known["LOCAL_WORLD_SIZE"]), int(known["WORLD_SIZE"])
    elif started_by_srun():
        processes, nodes = int(known["SLURM_NTASKS"]), int(known.get("SLURM_NNODES", "1"))
        devices = processes // nodes
        said = int(known.get("SLURM_NTASKS_PER_NODE", devices))
        require(
            processes in (1, said * nodes),  # one, started by hand, trains alone
            f"Expected --ntasks-per-node={said} on each of {nodes} nodes, got --ntasks={processes}. Leave --ntasks out "
            "of what sbatch is given.",
        )
    else:
        return {}
    return {"devices": devices, "num_nodes": max(1, processes // max(1, devices))}


def requeue_slurm_job() -> str:
    """Ask SLURM to start this job again; returns what came of it, in a few words."""
    job = os.environ.get("SLURM_JOB_ID", "")
    if not job:
        return "no SLURM job to requeue"
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    if shutil.which("scontrol") is None:
        return f"no scontrol here to requeue SLURM job {job} with"
    asked = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if asked.returncode:
        return f"SLURM refused to requeue job {job}: {' '.join(asked.stderr.split())}"
    return f"SLURM job {job} is requeued"


@contextmanager
def terminate_children_on_error(strategy: Strategy, seconds: float = 10.0) -> Iterator[None]:
    """Let an error here also end the processes that Lightning has started here, which may wait for this one in vain.

    Args:
        strategy: Its launcher knows them.
        seconds: Time that they have to end by themselves.
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
    """Whether srun has started this process, as Lightning sees it.

    A shell in an allocation has the variables too, but its job has one of two names.

    Example:
        >>> started_by_srun()
        False
    """
    return "SLURM_NTASKS" in os.environ and SLURMEnvironment.job_name() not in ("bash", "interactive")
