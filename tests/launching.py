"""Scripts that tests start as two processes."""

import subprocess
import sys
from pathlib import Path

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def launch(script: Path, *words: str) -> None:
    """Run a script as two processes that torchrun starts, to its end."""
    command = [sys.executable, "-W", "ignore", *TORCHRUN, str(script), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
