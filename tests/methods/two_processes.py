"""Started as two processes: trains pairs of a method and a learner under DDP and writes digests of the weights.

Then it takes the steps that one process takes too: see same_steps.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, seed_everything

sys.path.insert(0, str(Path(__file__).parents[1]))
from same_steps import FEW, by_two
from tiny import evaluated, make_data, make_learner, make_method, make_trainer


class Fed(Callback):
    """Notes the rows that this process was fed, the seeds that it drew their views from, and its losses."""

    def __init__(self) -> None:
        self.rows: list[list[int]] = []
        self.seeds: list[int] = []
        self.losses: list[float] = []
        self.sums: list[dict[str, list[float]]] = []

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rows.append([row for sample in batch.values() for row in sample.index.tolist()])
        self.seeds.append(torch.initial_seed())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.losses.append(outputs["loss"].item())
        self.sums.append(pl_module.epoch_terms.state())  # a checkpoint's, if it were written now


def digest(learner: torch.nn.Module) -> str:
    """Of all weights and queues; the statistics of BatchNorm are each process's own."""
    shared = {name: value for name, value in learner.state_dict().items() if "running_" not in name}
    return hashlib.sha256(b"".join(shared[name].numpy().tobytes() for name in sorted(shared))).hexdigest()


def main(folder: Path, originals: dict[str, str], pairs: list[tuple[str, str]]) -> None:
    torch.set_num_threads(1)
    found = {}
    for method, name in pairs:
        seed_everything(0, verbose=False)
        learner, fed = make_learner(name), Fed()
        trainer = make_trainer(max_epochs=1, devices=2, strategy="ddp", logger=False, callbacks=[fed])
        trainer.unlearn(learner, make_data(), originals[name], **make_method(method))
        found[f"{method} {name}"] = {"weights": digest(learner), "rows": fed.rows, "seeds": fed.seeds}
        found[f"{method} {name}"] |= {"losses": fed.losses, "sums": fed.sums}
        found[f"{method} {name}"] |= {"logged": float(trainer.callback_metrics.get("train/loss", 0))}
    for name, run in originals.items():
        found[f"evaluated {name}"] = evaluated(name, run, devices=2, strategy="ddp")
    (folder / f"rank{os.environ['RANK']}.json").write_text(json.dumps(found))
    by_two(folder, FEW)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]))
