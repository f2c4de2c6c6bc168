"""Scripts that tests start: as two processes, or as a fresh one."""

import multiprocessing
import os
import runpy
import socket
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
# A server imports torch and Lightning once, and forks: a new interpreter would take ten seconds of CPU for them.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["unlearning_pl.cli.training_cli"])


def launch(script: Path, *words: str) -> None:
    """Run a script as two processes to its end, with the variables by which torchrun tells them apart.

    What follows a seed of numpy or hashes that nobody set is the same on both, unlike :func:`launch_by_torchrun`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    shared |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    _run_scripts(script, words, [{**shared, "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")], timeout=600)


def launch_by_torchrun(script: Path, *words: str) -> None:
    """Run a script as two new interpreters that torchrun starts, to its end."""
    command = [sys.executable, "-W", "ignore", *TORCHRUN, str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def run_fresh(script: Path, *words: str) -> str:
    """Run a script in a process of its own, without a seed of this one; returns what it printed."""
    (output,) = _run_scripts(script, words, [{"PL_GLOBAL_SEED": None}], timeout=300)
    return output


def _run_scripts(
    script: Path, words: Sequence[str], environments: Sequence[Mapping[str, str | None]], timeout: float
) -> list[str]:
    with TemporaryDirectory() as folder:
        outputs = [Path(folder, str(number)) for number in range(len(environments))]
        processes = []
        try:
            for changed, output in zip(environments, outputs, strict=True):
                output.touch()
                variables = {name: value for name, value in {**os.environ, **changed}.items() if value is not None}
                arguments = (str(script), words, variables, output)
                processes.append(_CONTEXT.Process(target=_run_script, args=arguments, daemon=True))
                processes[-1].start()
            in_time = _wait(processes, time.monotonic() + timeout)
        finally:
            for process in processes:
                process.kill()
                process.join()
        texts = [output.read_text() for output in outputs]
        codes = [process.exitcode for process in processes]
        ends = "\n".join(f"exit code {code}:\n{text[-2000:]}" for code, text in zip(codes, texts, strict=True))
        assert in_time, f"not ended after {timeout} s\n{ends}"
        assert not any(codes), ends
        return texts


def _wait(processes: Sequence[multiprocessing.process.BaseProcess], end: float) -> bool:
    """Whether all have ended in time, or one has failed, which leaves the others waiting for it."""
    while time.monotonic() < end:
        if any(process.exitcode for process in processes) or not any(process.is_alive() for process in processes):
            return True
        time.sleep(0.02)
    return False


def _run_script(script: str, words: Sequence[str], variables: Mapping[str, str], output: Path) -> None:
    """In the new process: run a script with its words and variables, by one thread, and write its output to a file."""
    os.environ.clear()
    os.environ.update(variables)
    descriptor = os.open(output, os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    np.random.seed()  # a fork has the state of the server
    sys.argv = [script, *words]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except BaseException:
        traceback.print_exc()
        raise
