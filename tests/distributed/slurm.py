"""The project's own sbatch script on a real SLURM of two nodes, both of them this machine.

Needs Debian's packages, which are fetched once, and no root. Command: ``make slurm``.
"""

import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from distributed.cluster import Cluster, processes, two_nodes, until
from distributed.jobs import COMMAND, ENVIRONMENT, FIT, UNLEARN, difference, start, steps

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docker/slurm/train.sbatch"
SIZE = ("--gpus-per-node=0", "--cpus-per-task=1")
ONE, TWO = ("--nodes=1", "--ntasks-per-node=2"), ("--nodes=2", "--ntasks-per-node=1")
PLAN = """
title: Tiny
fit: --model Classifier --model.backbone resnet9_slim --data.source Digits --data.source.train_size 48
  --data.source.image_size 8 --data.batch_size 16 --trainer.accelerator cpu --trainer.max_epochs 1
forget: {count: 8}
unlearn: --trainer.accelerator cpu --trainer.max_epochs 1
methods: {fine_tune: --method FineTune}
audit: --views 2
"""


class Place:
    """A cluster, and a folder in which every job makes the same run.

    Args:
        cluster: The cluster.
        folder: Has the original, and what the job makes of it without SLURM as ``expected``.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def submit(self, name: str, *options: str) -> str:
        """Submit the job; returns its number."""
        words = UNLEARN.format(self.folder / "original", self.folder / name).split()
        return self.cluster.submit(*SIZE, *options, str(SCRIPT), *words)

    def under_way(self, name: str) -> Path:
        """Wait until a run has a checkpoint to lose, and return where it is."""
        checkpoint = self.folder / name / "checkpoints/last.ckpt"
        until(checkpoint.exists, f"a checkpoint of {name}", 90)
        return checkpoint

    def same(self, name: str) -> None:
        """Hold the weights to those of the run without SLURM."""
        found = difference(self.folder / name, self.folder / "expected")
        assert found == 0, f"weights differ by {found:g}"

    def ended(self, job: str, state: str = "COMPLETED") -> dict[str, str]:
        """Wait for the end of a job."""
        shown = self.cluster.wait(job)
        assert shown["JobState"] == state, f"{shown['JobState']}: {self.cluster.log(job)[-3000:]}"
        return shown


def single_node(place: Place) -> str:
    place.ended(place.submit("single", *ONE))
    place.same("single")
    return "two tasks, weights of two processes without SLURM"


def several_nodes(place: Place) -> str:
    job = place.submit("several", *TWO)
    assert place.ended(job)["NumNodes"] == "2"
    place.same("several")
    return "two nodes, weights of two processes of one machine"


def requeue(place: Place) -> str:
    job = place.submit("requeued", *TWO)
    checkpoint = place.under_way("requeued")
    place.cluster.run("scancel", "--batch", "--signal=USR1", job)  # as SLURM does before the time limit
    until(lambda: place.cluster.shown(job)["Restarts"] != "0", "the restart", 60)
    step = steps(checkpoint)
    assert step < steps(place.folder / "expected/checkpoints/last.ckpt"), "it was over before the signal"
    shown = place.ended(job)
    assert shown["Restarts"] == "1", f"{shown['Restarts']} restarts"
    place.same("requeued")
    return f"stopped by USR1 after step {step}, restarted once, weights of an unbroken run"


def killed_task(place: Place) -> str:
    job = place.submit("killed", *TWO)
    place.under_way("killed")
    for process in processes(SLURM_JOB_ID=job, SLURM_PROCID="1"):
        os.kill(process, signal.SIGKILL)
    began = time.monotonic()
    shown = place.ended(job, "FAILED")
    seconds = time.monotonic() - began
    assert seconds < 20, f"it took {seconds:.0f} s"
    assert shown["Restarts"] == "0", "it was requeued"
    line = next((line for line in place.cluster.log(job).splitlines() if "task 1: Killed" in line), None)
    assert line is not None, place.cluster.log(job)[-3000:]
    return f"the job ended {seconds:.0f} s later, exit code {shown['ExitCode']}: {line}"


def benchmark_array(place: Place) -> str:
    plan, output = place.folder / "tiny.yaml", place.folder / "benchmark"
    plan.write_text(PLAN)
    words = ("--ntasks-per-node=1", str(SCRIPT), "benchmark", str(plan), "--output", str(output))
    job = place.cluster.submit(*SIZE, "--array=0-1", *words)
    table = place.cluster.submit(*SIZE, f"--dependency=afterany:{job}", *words, "--seeds", "0", "1")
    place.ended(table)
    assert "\nunlearning-pl " not in place.cluster.log(table), "the last job made again what the tasks had made"
    rows = [line for line in (output / "tiny/table.md").read_text().splitlines() if line.startswith("| fine_tune")]
    assert rows, "no table"
    assert all("±" in row for row in rows), f"not of two seeds: {rows}"
    return "a task a seed, then their table"


CHECKS: tuple[Callable[[Place], str], ...] = (single_node, several_nodes, requeue, killed_task, benchmark_array)


def main() -> int:
    """Bring the cluster up, try everything, say what came of it; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped by SIGTERM."))  # so that the cluster goes
    good = True
    os.environ.update(ENVIRONMENT, UNLEARNING_PL=COMMAND)
    with tempfile.TemporaryDirectory() as folder, two_nodes(ROOT / ".cache/slurm") as cluster:
        place = Place(cluster, Path(folder))
        start(FIT.format(place.folder / "original"))
        start(UNLEARN.format(place.folder / "original", place.folder / "expected") + " --trainer.devices 2")
        for check in CHECKS:
            try:
                said = f"PASS {check.__name__}: {check(place)}"
            except AssertionError as error:
                said, good = f"FAIL {check.__name__}: {error}", False
            print(said, flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
