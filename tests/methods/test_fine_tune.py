from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.methods import FineTune


class Fed(Callback):
    def __init__(self) -> None:
        self.rows: set[int] = set()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.rows |= {row for sample in batch.values() for row in sample.index.tolist()}


def test_reads_no_forget_sample_and_is_training_on_retain_from_the_original(tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("SimCLR"), datamodule=make_data())

    fed, tuned, data = Fed(), make_learner("SimCLR"), make_data()
    make_trainer(callbacks=[fed]).unlearn(tuned, data, str(tmp_path / "original"), FineTune())
    assert fed.rows
    assert fed.rows <= set(data.positions("retain").tolist())

    continued = make_learner("SimCLR")
    state = torch.load(tmp_path / "original/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    continued.load_state_dict(state)
    make_trainer().fit(continued, datamodule=make_data(train_on="retain"))
    for ours, theirs in zip(tuned.state_dict().values(), continued.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
