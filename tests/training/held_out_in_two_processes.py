"""Started as two processes: runs that ``--stop held_out`` may end, by each process."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import hashlib
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch import Trainer, seed_everything
from torch.optim import SGD

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import make_data, make_learner, make_method, make_trainer

from unlearning_pl.data import ForgetRequest
from unlearning_pl.training import held_out_stop
from unlearning_pl.training.held_out_comparison import Comparison, compare

LEARNERS = {"MoCo": "CoUn", "Classifier": "SCRUB"}


def stopped(name: str, original: str, run: Path, **options: Any) -> dict[str, Any]:
    """What a process found and kept."""
    curve: list[float] = []

    def noted(trainer: Trainer, learner: Any) -> Comparison:
        curve.append((found := compare(trainer, learner)).difference.auc)
        return found

    seed_everything(0, verbose=False)
    learner = make_learner(name)
    learner.optimize_with(partial(SGD, lr=0.1, momentum=0.9))
    data = make_data(forget=ForgetRequest(count=11), validation=0.4, batch_size=16, eval_batch_size=4)
    trainer = make_trainer(run / name, max_epochs=2, seed=0, **options)
    narrow = {"TOLD_APART": 1.0, "NO_MORE": 1.0, "compare": noted}  # an interval without width
    with patch.multiple(held_out_stop, **narrow):
        trainer.unlearn(learner, data, original, **make_method(LEARNERS[name]), stop="held_out", stop_every=1)
    trainer.strategy.barrier()
    stop = json.loads((run / name / "run.json").read_text())["stop"]
    return {"curve": curve, "steps": trainer.global_step, "stop": stop, "weights": digest(learner)}


def digest(learner: torch.nn.Module) -> str:
    """Of all weights and queues; the statistics of BatchNorm are each process's own."""
    shared = {name: value for name, value in learner.state_dict().items() if "running_" not in name}
    return hashlib.sha256(b"".join(shared[name].numpy().tobytes() for name in sorted(shared))).hexdigest()


def main(folder: Path, originals: dict[str, str]) -> None:
    torch.set_num_threads(1)
    several: dict[str, Any] = {"devices": 2, "strategy": "ddp"}
    found = {name: stopped(name, run, folder / "two", **several) for name, run in originals.items()}
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
