"""Scripts that tests start: as two processes, or as a fresh one."""

import multiprocessing
import os
import runpy
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
# A server imports torch and Lightning once, and forks: a new interpreter would take ten seconds of CPU for them.
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["unlearning_pl.cli.training_cli"])


def launch(script: Path, *words: str) -> None:
    """Run a script as two processes, with the variables that torchrun sets, to its end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    shared |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    _run_scripts(script, words, [{**shared, "RANK": rank, "LOCAL_RANK": rank} for rank in ("0", "1")], timeout=600)


def run_fresh(script: Path, *words: str) -> str:
    """Run a script in a process of its own, without a seed of this one; returns what it printed."""
    (output,) = _run_scripts(script, words, [{"PL_GLOBAL_SEED": None}], timeout=300)
    return output


def _run_scripts(
    script: Path, words: Sequence[str], environments: Sequence[Mapping[str, str | None]], timeout: float
) -> list[str]:
    with TemporaryDirectory() as folder:
        outputs = [Path(folder, str(number)) for number in range(len(environments))]
        variables = [_with(os.environ, changed) for changed in environments]
        processes = [
            _CONTEXT.Process(target=_run_script, args=(str(script), words, *rest), daemon=True)
            for rest in zip(variables, outputs, strict=True)
        ]
        for process in processes:
            process.start()
        end = time.monotonic() + timeout
        # One that fails leaves the other waiting
        while (
            time.monotonic() < end
            and any(map(_alive, processes))
            and not any(process.exitcode for process in processes)
        ):
            time.sleep(0.02)
        for process in processes:
            process.kill()
            process.join()
        texts = [output.read_text() for output in outputs]
        assert [process.exitcode for process in processes] == [0] * len(processes), "\n".join(texts)[-3000:]
        return texts


def _alive(process: multiprocessing.process.BaseProcess) -> bool:
    return process.is_alive()


def _with(variables: Mapping[str, str], changed: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**variables, **changed}.items() if value is not None}


def _run_script(script: str, words: Sequence[str], variables: Mapping[str, str], output: Path) -> None:
    """In the new process: run a script as `python -W ignore SCRIPT WORDS` does, with its output in a file."""
    os.environ.clear()
    os.environ.update(variables)
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    warnings.simplefilter("ignore")
    sys.argv = [script, *words]
    sys.path.insert(0, str(Path(script).parent))
    try:
        runpy.run_path(script, run_name="__main__")
    except BaseException:
        traceback.print_exc()
        raise
