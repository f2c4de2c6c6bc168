"""An audit needs the memory of one view of a batch, however many views it takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Without pages that the allocator keeps, the peak is that of the tensors.
ENVIRONMENT = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}


def peak(name: str, views: int) -> float:
    """MiB that embedding takes at most."""
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("embed_memory.py")), name, str(views)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return float(done.stdout.splitlines()[-1])


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.parametrize("name", ["SimCLR", pytest.param("Classifier", marks=pytest.mark.slow)])
def test_an_audit_of_ten_views_needs_the_memory_of_a_pass_over_one(name: str) -> None:
    one, ten = peak(name, 1), peak(name, 10)
    assert one > 28  # a view of a batch
    assert ten <= 1.2 * one
