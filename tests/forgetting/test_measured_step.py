"""The step from which time and memory of a plan are estimated."""

import pytest
from tiny import LEARNERS, make_data, make_learner

from unlearning_pl.forgetting.measured_step import measure_step


@pytest.mark.parametrize("name", LEARNERS)
def test_a_step_of_each_learner_is_measured(name: str) -> None:
    learner = make_learner(name)
    step = measure_step(learner, make_data(batch_size=8))
    assert step.rows == 8
    assert step.step > step.forward > 0
    assert all(weight.grad is None for weight in learner.parameters())
