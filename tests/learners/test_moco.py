"""MoCo's queue takes in the keys that a step computed, and none if it computed none."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.learners import Learner
from unlearning_pl.methods import Unlearner
from unlearning_pl.types import Batch, Split


class Shrink(Unlearner):
    """Draws the embeddings of forget images to zero, without the learner's own loss."""

    def __init__(self, every: int = 1) -> None:
        super().__init__()
        self.every, self.passes = every, 0

    def streams(self, epoch: int) -> tuple[Split, ...]:
        return ("forget", "retain")

    def objective(self, learner: Learner, batch: Batch) -> Tensor:
        self.passes += 1
        if self.passes % self.every:
            sample = batch["retain"]
            return learner.losses(learner.outputs(sample), sample).mean()
        return learner.embed(batch["forget"].views[0]).square().mean()


@pytest.mark.parametrize("name", ["MoCo", "BYOL", "SimCLR"])
@pytest.mark.parametrize("every", [1, 2])
def test_a_step_that_embeds_alone_leaves_the_queue_as_it_is(name: str, every: int, tmp_path: Path) -> None:
    data, learner, method = make_data(batch_size=8), make_learner(name), Shrink(every)
    make_trainer(tmp_path / "original", max_epochs=1).fit(learner, datamodule=data)
    queues: list[Tensor] = []
    keep: Any = learner.on_train_batch_end

    def kept(*step: Any) -> None:
        keep(*step)
        queues.append(learner.queue.keys.clone())

    if name == "MoCo":
        learner.on_train_batch_end = kept
    make_trainer(max_epochs=1).unlearn(learner, data, str(tmp_path / "original"), method)
    assert method.passes > 2
    for step, (before, after) in enumerate(pairwise(queues), start=2):
        assert torch.equal(before, after) == (step % every == 0)
