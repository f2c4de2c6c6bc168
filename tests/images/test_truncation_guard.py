"""A file that is cut while it is mapped ends in an error that names it, not in the death of the process."""

import multiprocessing
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.errors import StorageError
from unlearning_pl.images import shared_pixels

COUNT = 2**20
pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="this system has no SIGBUS"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning"),  # of newer releases of Python
]


def in_a_thread(images: Tensor) -> None:
    thread = threading.Thread(target=images.numpy().copy)
    thread.start()
    thread.join()


READS: dict[str, Callable[[Tensor], Any]] = {
    "torch": torch.sum,
    "rows": lambda images: images[torch.arange(63, -1, -1)],
    "numpy, which holds the lock of Python": lambda images: images.numpy().copy(),
    "checksum": lambda images: zlib.crc32(images.numpy().data),
    "thread": in_a_thread,
}


def child(read: Callable[[Tensor], Any], size: int, cache: Path, told: Any) -> None:
    os.environ["UNLEARNING_PL_CACHE"], shared_pixels._LEAST = str(cache), 0
    torch.set_num_threads(1)  # threads of OpenMP do not survive a fork
    images, _ = shared_pixels.share_pixels(["a"], COUNT, lambda: (np.ones((64, COUNT // 64), np.uint8), None))
    images[0, 0] = 2  # a page of this process alone, which is lost as well
    for file in cache.glob("*.pixels"):
        os.truncate(file, size)
    try:
        read(images)
        time.sleep(0.01)
        told.put("nothing was said")
    except StorageError as error:
        told.put(str(error))


def after_a_fit(images: Tensor) -> None:
    """Lightning restores the handlers of all signals at the end of a fit, as Python knows them."""
    make_trainer(logger=False, max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    images.sum()


def end_of_child(read: Callable[[Tensor], Any], size: int, cache: Path) -> tuple[int | None, str]:
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()
    process = context.Process(target=child, args=(read, size, cache, told))
    process.start()
    process.join(60)
    return process.exitcode, "" if told.empty() else told.get()


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("size", [0, COUNT // 2])
def test_reading_a_cut_file_raises_an_error_that_names_it(read: Any, size: int, tmp_path: Path) -> None:
    code, said = end_of_child(read, size, tmp_path / "cache")
    assert code == 0
    (file,) = (tmp_path / "cache").glob("*.pixels")
    assert said.startswith(f"Expected the pixels in {file}, got a file that another program cut")


def test_a_fit_in_between_changes_nothing(tmp_path: Path) -> None:
    code, said = end_of_child(after_a_fit, 0, tmp_path / "cache")
    assert code == 0
    assert said.startswith("Expected the pixels in ")


def test_a_signal_of_another_cause_still_ends_the_process(tmp_path: Path) -> None:
    code, _ = end_of_child(lambda _: signal.raise_signal(signal.SIGBUS), COUNT + 4096, tmp_path / "cache")
    assert code == -signal.SIGBUS
