from pathlib import Path

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import FineTune, NegGradPlus
from unlearning_pl.types import Batch


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    kept, gone = (loops.mean(loops.losses(learner, batch[split])) for split in ("retain", "forget"))
    loss = NegGradPlus(weight=0.9).objective(learner, batch)
    assert loss.item() == pytest.approx(0.9 * kept - 0.1 * gone, abs=1e-6)


@pytest.mark.parametrize("name", ["SimCLR", "MoCo", "Classifier"])
def test_with_weight_one_it_is_fine_tuning_bit_for_bit(name: str, tmp_path: Path) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner(name), datamodule=make_data())
    ends = []
    for method in (NegGradPlus(weight=1.0), FineTune()):
        learner = make_learner(name)
        make_trainer().unlearn(learner, make_data(), str(tmp_path / "original"), method)
        ends.append(learner.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[1])


@pytest.mark.parametrize("weight", [0.0, 1.1])
def test_wrong_settings_are_told(weight: float) -> None:
    with pytest.raises(InputError, match=f"weight above 0 and at most 1, got {weight}"):
        NegGradPlus(weight)
