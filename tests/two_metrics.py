"""Started as two processes: what metrics say whose rows came unevenly to both, some of them to one alone."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torchmetrics import Metric

from unlearning_pl.metrics import KLOM, ClassifierMI, EncoderMI, ForgettingScore, LinearCKA, MembershipAUC, TPRAtFPR

METRICS = {
    "EncoderMI": EncoderMI,
    "ClassifierMI": ClassifierMI,
    "MembershipAUC": MembershipAUC,
    "TPRAtFPR": lambda: TPRAtFPR(0.2),
    "ForgettingScore": ForgettingScore,
    "LinearCKA": LinearCKA,
    "KLOM": KLOM,
}
Updates = Sequence[tuple[Any, ...]]


def updates() -> dict[str, Updates]:
    """Arguments of each update of each metric; batches differ in size."""
    torch.manual_seed(0)
    sizes = {"forget": (5, 9), "retain": (20, 7, 1), "test": (6, 4)}
    noise = {"forget": 0.8, "retain": 0.5, "test": 1.2}
    batches = [(split, size) for split, several in sizes.items() for size in several]

    def views(split: str, size: int) -> torch.Tensor:
        return torch.randn(size, 1, 8) + noise[split] * torch.randn(size, 4, 8)

    def answers(split: str, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        target = torch.randint(5, (size,))
        logits = torch.randn(size, 5) + torch.nn.functional.one_hot(target, 5) / noise[split]
        return logits.softmax(dim=1), target

    return {
        "EncoderMI": [(views(split, size), split) for split, size in batches],
        "ClassifierMI": [(*answers(split, size), split) for split, size in batches],
        "MembershipAUC": [(torch.randint(9, (n,)) / 8, torch.rand(n) < 0.5) for n in (30, 4, 9)],
        "TPRAtFPR": [(torch.randint(9, (n,)) / 8, torch.rand(n) < 0.5) for n in (30, 4, 9)],
        "ForgettingScore": [tuple(torch.randn(4, n, 6)) for n in (7, 2, 12)],
        "LinearCKA": [(torch.randn(n, 6), torch.rand(n, 3)) for n in (7, 2, 12)],
        "KLOM": [(torch.randn(n, 5), unlearned) for n, unlearned in ((4, True), (3, False), (2, True))],
    }


def value(metric: Metric, given: Updates) -> float:
    for arguments in given:
        metric.update(*arguments)
    return float(metric.compute())


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    rank, found = distributed.get_rank(), {}
    for name, given in updates().items():
        # the first two thirds against the rest: of several splits, one process has no test and the other no forget rows
        cut = 2 * len(given) // 3
        found[name] = value(METRICS[name](), given[:cut] if rank == 0 else given[cut:])
    (folder / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
