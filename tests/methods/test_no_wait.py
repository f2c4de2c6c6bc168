"""No step waits for the device: nothing in it reads the value of a tensor."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from tiny import LEARNERS, METHODS, PLUGINS, make_data, make_learner, make_method, make_trainer

pytestmark = pytest.mark.filterwarnings("ignore:SCRUB with max_epochs")  # runs of one epoch


class NoWait(Callback):
    """Within a step, reading a tensor's value raises: on a device it would wait for everything before it."""

    READS = ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__")

    def __init__(self) -> None:
        self.patch = pytest.MonkeyPatch()

    def on_train_batch_start(self, *_: Any) -> None:
        for name in self.READS:
            self.patch.setattr(torch.Tensor, name, self.read)

    @staticmethod
    def read(tensor: torch.Tensor, *_: Any) -> None:
        raise AssertionError("a step reads the value of a tensor")

    def on_train_batch_end(self, *_: Any) -> None:
        self.patch.undo()

    def on_exception(self, *_: Any) -> None:
        self.patch.undo()


CASES = [*((name, None) for name in LEARNERS), *(("SimCLR", method) for method in [*METHODS, *PLUGINS])]


@pytest.mark.parametrize(("name", "method"), CASES, ids=[f"{name}-{method}" for name, method in CASES])
def test_no_step_waits_for_the_device(name: str, method: str | None, originals: dict[str, Path]) -> None:
    trainer = make_trainer(max_epochs=1, callbacks=[NoWait()], logger=False)
    if method is None:
        trainer.fit(make_learner(name), datamodule=make_data())
    else:
        trainer.unlearn(make_learner(name), make_data(), str(originals[name]), **make_method(method))
    assert trainer.global_step > 0 or method in ("SSD", "WeightNegation")
