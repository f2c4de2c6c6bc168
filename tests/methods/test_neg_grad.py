import loops
import pytest

from unlearning_pl.learners import Learner
from unlearning_pl.methods import NegGrad
from unlearning_pl.types import Batch, concat_streams


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch) -> None:
    sample, _ = concat_streams(batch)
    losses = loops.losses(learner, sample)
    expected = (sum(losses[:5]) - sum(losses[5:])) / 8
    assert NegGrad().objective(learner, batch).item() == pytest.approx(expected, abs=1e-6)
