"""Started as two processes: fits with a slow disk, and with compiled modules, and writes what each process saw."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

sys.path.insert(0, str(Path(__file__).parents[1]))
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.training import compilation
from unlearning_pl.training.checkpoint_files import AtomicCheckpointIO


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        self.values.append(float(outputs["loss"]))


def losses(compiled: bool) -> list[float]:
    seen = Losses()
    ddp: dict[str, Any] = {"devices": 2, "strategy": "ddp", "logger": False, "compile": compiled}
    trainer = make_trainer(max_epochs=1, callbacks=[seen], limit_train_batches=2, **ddp)
    torch.manual_seed(0)
    trainer.fit(make_learner("SimCLR"), datamodule=make_data())
    return seen.values


def main(folder: Path) -> None:
    compilation.BACKEND = "aot_eager"
    seen: dict[str, Any] = {"losses": losses(compiled=False), "compiled": losses(compiled=True)}
    save = AtomicCheckpointIO.save_checkpoint

    def slow(*args: Any) -> None:
        time.sleep(0.5)
        save(*args)

    AtomicCheckpointIO.save_checkpoint = slow  # type: ignore[method-assign]
    trainer = make_trainer(folder / "run", max_epochs=2, devices=2, strategy="ddp", logger=False)
    trainer.fit(make_learner("Classifier"), datamodule=make_data())
    last = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    seen |= {"step": trainer.global_step, "last": last["global_step"], "finished": (folder / "run/run.json").exists()}
    (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
