"""Relearning counts the epochs that a plain training would need."""

import copy
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from tiny import LEARNERS, make_data, make_learner, make_trainer
from torch.optim import SGD

from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.data.plans import TrainingPlan
from unlearning_pl.evaluation.relearning import eval_loss, fixed_batches, relearning_epochs
from unlearning_pl.learners import Learner


def trained(name: str, data: UnlearningData, epochs: int) -> Learner:
    learner = make_learner(name)
    make_trainer(max_epochs=epochs, logger=False).fit(learner, datamodule=data)
    return learner


@pytest.mark.parametrize("name", LEARNERS)
def test_the_original_itself_has_nothing_to_relearn(name: str) -> None:
    data = make_data()
    original = trained(name, data, 1)
    assert relearning_epochs(original, original, data, 3, accelerator="cpu") == 0


def test_a_model_far_away_is_not_back_within_the_limit_and_stays_as_it_was() -> None:
    data = make_data()
    original, blank = trained("Classifier", data, 30), make_learner("Classifier")
    before = copy.deepcopy(blank.state_dict())
    assert relearning_epochs(blank, original, data, 2, accelerator="cpu") is None
    assert all(torch.equal(value, before[key]) for key, value in blank.state_dict().items())


def test_epochs_are_those_of_training_on_the_forgotten_images_alone() -> None:
    """The twin: the same training epoch by epoch, its loss looked at by hand."""
    data = make_data(forget=ForgetRequest(count=16))
    original, student = trained("Classifier", data, 60), trained("Classifier", data, 2)
    count = relearning_epochs(student, original, data, 40, accelerator="cpu")
    assert count is not None
    assert 0 < count < 40
    losses: list[float] = []

    class Watch(Callback):
        def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
            return plan.feed(lambda epoch: ("forgotten",))

        def on_train_epoch_end(self, trainer, pl_module) -> None:  # noqa: ANN001
            images, target = data.pool.rows_at(data.positions("forget"))
            pl_module.eval()
            with torch.no_grad():
                scores = pl_module.class_scores(data.pool.normalise(images))
            pl_module.train()
            losses.append(torch.nn.functional.cross_entropy(scores, target).item())

    student.optimize_with(partial(SGD, lr=0.01, momentum=0.9))
    make_trainer(max_epochs=count, logger=False, callbacks=[Watch()]).fit(student, datamodule=data)
    images, target = data.pool.rows_at(data.positions("forget"))
    with torch.no_grad():
        goal = torch.nn.functional.cross_entropy(original.eval().class_scores(data.pool.normalise(images)), target)
    assert losses[-1] <= goal < min(losses[:-1], default=float("inf"))
    assert len(losses) == count


@pytest.fixture(params=LEARNERS)
def pair(request: pytest.FixtureRequest) -> tuple[Learner, UnlearningData]:
    data = make_data()
    return trained(request.param, data, 1), data


def test_the_loss_is_the_same_at_every_look(pair: tuple[Learner, UnlearningData]) -> None:
    learner, data = pair
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, second = (fixed_batches(data, learner, learner.device) for _ in range(2))
    assert eval_loss(learner, first) == eval_loss(learner, second)
    assert torch.equal(torch.get_rng_state(), state)
    assert learner.training == learner.backbone.training
