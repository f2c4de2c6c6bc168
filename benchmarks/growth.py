"""Images a second of training as images, rows of a batch, or views of an image grow.

    python benchmarks/growth.py images 1280 5120 20480
    python benchmarks/growth.py batch 64 128 256 --images 1280
    python benchmarks/growth.py views 1 2 4 --batch 128 --images 1280 --steps 10

Each value is measured by throughput.py, whose options follow the values; the values take turns within a round, and
the table has medians over rounds. With views the learner is SimCLR whose positive is the mean embedding of all views
but the first (of one view: itself), so that a step embeds and draws so many views. Growth with processes is
weak_scaling.py's, that of memory with images data_memory.py's, that of an audit audit_speed.py's.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import argparse
import io
import json
import logging
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import throughput
import torch
from typing_extensions import override

from unlearning_pl import learners
from unlearning_pl.learners import SimCLR
from unlearning_pl.learners.contrastive_learner import Pair
from unlearning_pl.types import Sample


class ManyViews(SimCLR):
    """SimCLR of so many views."""

    @override
    def outputs(self, sample: Sample) -> Pair:
        first, *others = self.embed(torch.cat(sample.views)).chunk(len(sample.views))
        return first, torch.stack(others).mean(0) if others else first


def rates(quantity: str, value: int, options: list[str]) -> dict[str, float]:
    """Images a second of each way of throughput.py."""
    words = ["--learner", ManyViews.__name__] if quantity == "views" else [f"--{quantity}", str(value)]
    ManyViews.num_views = value
    with TemporaryDirectory() as folder, redirect_stdout(io.StringIO()):
        output = Path(folder) / "figures.json"
        arguments = ["throughput.py", "--rounds", "1", *options, *words, "--output", str(output)]
        with patch.object(sys, "argv", arguments), patch.object(learners, ManyViews.__name__, ManyViews, create=True):
            throughput.main()
        found: dict[str, float] = json.loads(output.read_text())["images_per_second"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quantity", choices=["images", "batch", "views"])
    parser.add_argument("values", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file of the figures.")
    options, others = parser.parse_known_args()
    found: dict[int, list[dict[str, float]]] = {value: [] for value in options.values}
    for number in range(options.rounds):
        for value in options.values[:: -1 if number % 2 else 1]:
            found[value].append(rates(options.quantity, value, others))
    names = [*found[options.values[0]][0]]
    sys.stdout.write(f"| {options.quantity} | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}\n")
    figures = {value: {name: median(one[name] for one in many) for name in names} for value, many in found.items()}
    for value, one in figures.items():
        sys.stdout.write(f"| {value} | {' | '.join(f'{one[name]:.0f}' for name in names)} |\n")
    if options.output is not None:
        settings = {"quantity": options.quantity, "rounds": options.rounds, "throughput": others}
        options.output.write_text(json.dumps({"settings": settings, "images_per_second": figures}, indent=2))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    main()
