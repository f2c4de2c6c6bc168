"""No step waits for the device: nothing in it reads the value of a tensor."""

from pathlib import Path
from typing import Any

import pytest
import torch
from devices import placed
from lightning.pytorch import Callback, LightningModule, Trainer
from tiny import LEARNERS, METHODS, PLUGINS, make_data, make_learner, make_method, make_trainer

pytestmark = pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")  # runs of one epoch


class NoWait(Callback):
    """Within a step, reading a tensor's value raises: on a device it would wait for everything before it.

    On a GPU CUDA raises on any wait, from the first step to the last: making samples between the steps is included.
    """

    READS = ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__")

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        if pl_module.device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
            return
        for name in self.READS:
            self.patch.setattr(torch.Tensor, name, self.read)

    @staticmethod
    def read(tensor: torch.Tensor, *_: Any) -> None:
        raise AssertionError("a step reads the value of a tensor")

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.patch.undo()
        if pl_module.device.type == "cuda" and trainer.is_last_batch:
            torch.cuda.set_sync_debug_mode("default")

    def on_exception(self, *_: Any) -> None:
        self.patch.undo()
        if torch.cuda.is_initialized():
            torch.cuda.set_sync_debug_mode("default")


LEARNED = [pytest.param(name, None) for name in LEARNERS]
UNLEARNED = [pytest.param("SimCLR", method) for method in [*METHODS, *PLUGINS]]
LATER = [pytest.param(*param.values, marks=pytest.mark.slow) for param in UNLEARNED]  # TINY=1 leaves them out
CASES = [*placed("cpu", [*LEARNED, *UNLEARNED]), *placed("device", [*LEARNED, *LATER])]


@pytest.mark.parametrize(("options", "name", "method"), CASES, indirect=["options"])
def test_no_step_waits_for_the_device(
    options: dict[str, Any], name: str, method: str | None, originals: dict[str, Path]
) -> None:
    if options["accelerator"] == "gpu":
        options = {"accelerator": "gpu"}  # deterministic kernels may wait
    trainer = make_trainer(max_epochs=1, callbacks=[NoWait()], logger=False, **options)
    if method is None:
        trainer.fit(make_learner(name), datamodule=make_data())
    else:
        trainer.unlearn(make_learner(name), make_data(), str(originals[name]), **make_method(method))
    assert trainer.global_step > 0 or method in ("SSD", "SLUG", "WeightNegation")
