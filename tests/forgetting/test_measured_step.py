"""The time of a plan is that of its steps, and one measured step of the model is enough for it."""

import pytest
import torch
from tiny import LEARNERS, make_data, make_learner

from unlearning_pl.data import ForgetRequest
from unlearning_pl.forgetting.measured_step import MeasuredStep, estimate, measure_step

STEP = MeasuredStep(rows=10, step=2.0, forward=0.1, peak=10**9)


def test_every_step_takes_its_passes_and_the_time_to_open_model_and_images() -> None:
    data = make_data()
    counts = data.splits.counts()
    trained, images = counts["retain"] + counts["forget"], counts["retain"] + counts["forget"] + counts["test"]
    seconds = estimate(STEP, data, epochs=5, retrain=None, opening=3.0).seconds
    assert seconds == pytest.approx(
        {
            "original": 3,
            "preview": 3 + trained * 0.1,
            "unlearned": 3 + 5 * trained * 0.2,
            "audit": 3 + 2 * images * 11 * 0.1 + 2 * 10 * counts["forget"] * 0.2,
            "export": 3,
        }
    )
    longer = estimate(STEP, data, epochs=5, retrain=7, opening=3.0).seconds
    assert [*longer] == ["original", "preview", "unlearned", "retrained", "audit", "export"]
    assert longer["retrained"] == pytest.approx(3 + 7 * counts["retain"] * 0.2)
    assert longer["audit"] - 3 == pytest.approx((seconds["audit"] - 3) * 3 / 2)


def test_a_single_retained_image_can_be_measured() -> None:
    """Batch normalisation refuses a row of one pixel in training."""
    data = make_data()
    names = [data.ids[row] for row in data.positions("train").tolist()]
    data.request(ForgetRequest(ids=names[1:]))
    learner = make_learner("Classifier")
    norm = torch.nn.BatchNorm1d(learner.feature_dim)
    learner.backbone = torch.nn.Sequential(learner.backbone, norm)
    step = measure_step(learner, data)
    assert step.rows == 1
    assert min(step.step, step.forward, step.peak) > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_a_step_of_each_learner_is_measured(name: str) -> None:
    learner = make_learner(name)
    step = measure_step(learner, make_data(batch_size=8))
    assert step.rows == 8
    assert step.step > step.forward > 0
    assert all(weight.grad is None for weight in learner.parameters())
