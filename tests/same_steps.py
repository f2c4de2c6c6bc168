"""Steps through the real thing, trainer, DDP and streams, by one process or by two; what both end with is the same.

Views, partners and labels do not depend on who has a row, and everything is in float64. Batch statistics are those of
all rows (``sync_batchnorm``) or, with ``frozen``, not used at all: norm layers are in evaluation mode.

Started as one process it compares every method on every learner: see ``make exactness``.
"""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from launching import TORCHRUN
from lightning.pytorch import Callback, seed_everything
from tiny import LEARNERS, METHODS, PLUGINS, make_learner, make_method, make_trainer
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import SGD

from unlearning_pl.data import Digits, ForgetRequest, TemplateCaptions, UnlearningData, Views, make_samples
from unlearning_pl.distributed.collectives import world_size
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.methods import partners

Job = tuple[str, str, bool]  # method, learner, frozen
FEW: list[Job] = [
    *(("plain", name, False) for name in LEARNERS),
    ("AlignmentCalibration", "SimCLR", True),
    ("GradientPenalty", "BYOL", False),
    ("SCRUB", "MoCo", True),
    ("HeldOutCalibration", "SimCLR", False),
    ("NegGrad", "MoCo", False),
    ("SalUn", "Classifier", True),
]
ALL: list[Job] = [
    (m, name, frozen) for m in ["plain", *METHODS, *PLUGINS] for name in LEARNERS for frozen in (False, True)
]


class Float64Examples(UnlearningData):
    """Data whose check of the encoder is in float64, like everything else here."""

    def examples(self) -> Tensor:
        return super().examples().double()


def shifted_views(augment: Views, images: Tensor, count: int) -> tuple[Tensor, ...]:
    """Views that nothing random is in: each copy is shifted a pixel further."""
    return tuple(images.double().roll(shift, dims=-1) for shift in range(count))


class Frozen(Callback):
    """Norm layers stay in evaluation mode."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        for module in pl_module.modules():
            module.training = module.training and not isinstance(module, _BatchNorm)


def neighbours(keys: Tensor, further: Tensor) -> Tensor:
    """Partners that one process of two has too: the rows of a step are dealt out in turns."""
    return torch.arange(len(keys), device=keys.device) ^ (3 - world_size())


def start_of(name: str) -> Learner:
    seed_everything(0, verbose=False)
    learner = make_learner(name, **({"queue_size": 96} if name == "MoCo" else {}))
    learner.optimize_with(partial(SGD, lr=0.1))
    with torch.no_grad():  # no weight at zero, where the L1 norm has no gradient
        for p in learner.parameters():
            p.add_(0.01 * torch.randn_like(p))
    return learner


@contextmanager
def nothing_random() -> Iterator[None]:
    """Views, partners and labels that one process and two have alike."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(make_samples, "draw_views", shifted_views))
        stack.enter_context(patch.object(partners, "differing_partner", neighbours))
        shifted = lambda _, sample: sample._replace(target=(sample.target + 1) % 10)  # noqa: E731  it is a method
        stack.enter_context(patch.object(Classifier, "corrupt_targets", shifted))
        yield


@nothing_random()
def take_steps(method: str, name: str, frozen: bool, folder: Path, processes: int, **options: Any) -> dict[str, Tensor]:
    """Two steps from random weights, with the same rows whoever has them; all weights, and the queue in an order."""
    original = folder / f"{name}.pt"
    if not original.exists():
        torch.save(start_of(name).state_dict(), original)
    source = TemplateCaptions(Digits(train_size=48, image_size=8), ["the number {}"])
    data = Float64Examples(source, forget=ForgetRequest(count=12), validation=0.25, batch_size=24)
    shared = {"devices": 2, "strategy": "ddp", "sync_batchnorm": not frozen} if processes == 2 else {}
    callbacks = [Frozen()] if frozen else []
    trainer = make_trainer(max_epochs=2, logger=False, limit_val_batches=0, callbacks=callbacks, **shared, **options)
    learner = start_of(name).double()
    if method == "plain":
        trainer.fit(learner, datamodule=data, weights=str(original))
    else:
        trainer.unlearn(learner, data, str(original), **make_method(method))
    state = learner.state_dict()
    if "queue.keys" in state:  # processes take their keys in one after the other
        state["queue.keys"] = state["queue.keys"][state["queue.keys"][:, 0].argsort()]
    return state


def by_two(folder: Path, jobs: list[Job]) -> None:
    """Started as two processes; each leaves what it ends with."""
    rank = os.environ["RANK"]
    mine = folder / rank
    mine.mkdir()
    torch.save({str(tuple(job)): take_steps(*job, mine, 2) for job in jobs}, folder / f"states{rank}.pt")


def error(ours: dict[str, Tensor], theirs: dict[str, Tensor], start: dict[str, Tensor]) -> float:
    """Largest difference of the weights after the steps, relative to the largest move of one."""
    assert ours.keys() == theirs.keys()
    move = max(float((ours[name] - start[name]).abs().max()) for name in start if start[name].is_floating_point())
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours) / move


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-W", "ignore", *TORCHRUN, __file__, name, json.dumps(ALL)], check=True)
        states = [torch.load(folder / f"states{rank}.pt", weights_only=True) for rank in (0, 1)]
        worst = 0.0
        for job in ALL:
            one = take_steps(*job, folder, 1)
            errors = [error(one, state[str(job)], start_of(job[1]).state_dict()) for state in states]
            worst = max(worst, *errors)
            sys.stdout.write(f"{job[0]:22} {job[1]:11} {'frozen' if job[2] else 'shared'} {max(errors):.1e}\n")
    sys.stdout.write(f"{len(ALL)} jobs, largest relative difference {worst:.1e}\n")
    if not worst < 1e-9:
        sys.exit("Two processes do not do what one does.")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        by_two(Path(sys.argv[1]), json.loads(sys.argv[2]))
        torch.distributed.destroy_process_group()
    else:
        main()
