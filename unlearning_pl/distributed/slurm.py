"""SLURM: whether it started this process, and requeueing of the job."""

import os
import shutil
import subprocess

from lightning.fabric.plugins.environments.slurm import SLURMEnvironment


def started_by_srun() -> bool:
    """Whether srun started this process, by Lightning's criterion.

    An interactive shell in an allocation has the same variables, but its job is named ``bash`` or ``interactive``.

    Example:
        >>> started_by_srun()
        False
    """
    return "SLURM_NTASKS" in os.environ and SLURMEnvironment.job_name() not in ("bash", "interactive")


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
