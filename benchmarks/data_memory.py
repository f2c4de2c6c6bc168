"""Memory of images that several processes hold, and of images that are streamed from files.

python benchmarks/data_memory.py --rounds 3

Held: 100 000 images of 32x32 in memory, in four processes that look at all of them, as the proportional set size (a
page that k processes share counts 1/k for each) above that of the same processes with 100 images. Streamed: 20 000
JPEGs of 160x120 in a folder, the seconds until they can be read, and the proportional set size of the process and its
two workers after each of three epochs. All files are made in a temporary folder, the cache of shared pixels too.
Linux only; docs/benchmarks.md has the figures.
"""

import argparse
import io
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from unlearning_pl.data import Folder, Parquet, Source, UnlearningData
from unlearning_pl.data.loaders import RowDataset, index_loader
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.data.streams import StreamSampler
from unlearning_pl.images.shared_pixels import trim_memory

PROCESSES, WORKERS, EPOCHS, FEW, ROWS = 4, 2, 3, 100, 256


def image(height: int, width: int, seed: int, kind: str) -> bytes:
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8))
    file = io.BytesIO()
    coarse.resize((width, height), Image.Resampling.BICUBIC).save(file, kind)
    return file.getvalue()


def write_parquet(file: Path, count: int, seed: int) -> None:
    pictures = [image(32, 32, seed + row, "png") for row in range(1000)]
    images = [{"bytes": pictures[row % 1000], "path": f"{seed}-{row}.png"} for row in range(count)]
    table = pa.table({"image": images, "label": [row % 10 for row in range(count)]})
    pq.write_table(table, file, row_group_size=1000)


def write_folder(root: Path, count: int) -> None:
    photographs = [image(120, 160, seed, "jpeg") for seed in range(200)]
    for name in range(10):
        (root / f"class{name}").mkdir(parents=True)
    for row in range(count):
        (root / f"class{row % 10}" / f"{row:06}.jpg").write_bytes(photographs[row % 200])


def proportional(process: int) -> int:
    """Bytes of memory of a process without libraries; a page that k processes share counts 1/k.

    What a library counts depends on who else on the machine has loaded it.
    """
    found, mapped = 0, ""
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split()
        if words[0] == "Pss:" and (not mapped.startswith("/") or mapped.endswith(".pixels")):
            found += int(words[1]) * 1024
        elif not words[0].endswith(":"):  # a new mapping: addresses, rights, offset, device, inode and perhaps a name
            mapped = words[5] if len(words) > 5 else ""
    return found


def look_around(source: Source, rows: int) -> UnlearningData:
    """What a run does before it trains, and a look at ``rows`` images in batches: at all, again and again."""
    data = UnlearningData(source)
    assert len(data.splits.train)
    for start in range(0, rows, ROWS):
        data.pool.rows_at(torch.arange(start, start + ROWS) % len(data.ids))
    return data


def hold(folder: str, rows: int) -> None:
    """One of the processes that hold the images."""
    data = look_around(Parquet(f"{folder}/train.parquet", f"{folder}/test.parquet"), rows)
    trim_memory()  # or each process shows what its allocator keeps for later, up to 20 MB either way
    print(len(data.ids), flush=True)
    sys.stdin.readline()


def held(folder: Path, count: int, rows: int) -> int:
    """Bytes of memory of all processes together; whatever ``count`` is, they work through as many ``rows``."""
    folder.mkdir()
    write_parquet(folder / "train.parquet", count * 9 // 10, 0)
    write_parquet(folder / "test.parquet", count // 10, 1)
    command = [sys.executable, __file__, "--hold", str(folder), "--held", str(rows)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    crew = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]  # type: ignore[call-overload]
    for process in crew:
        assert int(process.stdout.readline()) == count
    found = sum(proportional(process.pid) for process in crew)
    for process in crew:
        process.communicate("")
    return found


def streamed(folder: Path, count: int) -> tuple[float, list[int]]:
    """Seconds until images can be read, and bytes of memory after each epoch."""
    write_folder(folder / "train", count)
    write_folder(folder / "test", FEW)
    start = time.perf_counter()
    train, _ = Folder(str(folder / "train"), str(folder / "test"), image_size=32, storage="stream").load()
    seconds = time.perf_counter() - start
    plan = SamplePlan.training(InputSpec(), seed=0)
    dataset = RowDataset(torch.arange(count), plan, train.images.read)  # type: ignore[union-attr]
    sampler = StreamSampler(dataset, "train", steps=count // ROWS, rows=ROWS)
    loader = index_loader(dataset, ROWS, sampler, WORKERS)
    found = []
    for epoch in range(EPOCHS):
        sampler.set_epoch(epoch)
        rows = sum(len(batch.index) for batch in loader)
        assert rows == count - count % ROWS
        workers = [child.pid or 0 for child in multiprocessing.active_children()]
        assert len(workers) == WORKERS
        found.append(sum(map(proportional, [os.getpid(), *workers])))
    return seconds, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--held", type=int, default=100_000)
    parser.add_argument("--streamed", type=int, default=20_000)
    parser.add_argument("--hold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hold:
        hold(options.hold, options.held)
        return
    above, seconds, epochs = [], [], []
    for _ in range(options.rounds):
        with TemporaryDirectory() as folder:
            os.environ["UNLEARNING_PL_CACHE"] = f"{folder}/cache"
            many = held(Path(folder) / "many", options.held, options.held)
            above.append(many - held(Path(folder) / "few", FEW, options.held))
            taken, found = streamed(Path(folder) / "images", options.streamed)
        seconds.append(taken)
        epochs.append(found)
    pixels, extra = options.held * 3 * 32 * 32, statistics.median(above)
    ratios = ", ".join(f"{each / pixels:.2f}" for each in above)
    print(f"held: {options.held} images in {PROCESSES} processes, {pixels / 1e6:.0f} MB of pixels")
    print(f"held: {extra / 1e6:.0f} MB above {FEW} images, {extra / pixels:.2f} times the pixels ({ratios})")
    each_time = ", ".join(f"{each:.2f}" for each in seconds)
    print(
        f"streamed: {options.streamed} JPEGs, {statistics.median(seconds):.2f} s until they can be read ({each_time})"
    )
    by_epoch = [statistics.median(found) / 1e6 for found in zip(*epochs, strict=True)]
    print(f"streamed: MB after each epoch, with {WORKERS} workers: {', '.join(f'{each:.0f}' for each in by_epoch)}")


if __name__ == "__main__":
    main()
