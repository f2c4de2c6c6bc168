"""Training on retain images brings back what was hidden, and nothing that was never learned."""

import copy
import math
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from memorised import memorising, noise_data
from tiny import LEARNERS, make_data, make_learner, make_trainer
from torch.optim import SGD

from unlearning_pl.audits import Audit, compute_audit
from unlearning_pl.audits.forget_figures import forget_figures
from unlearning_pl.audits.relearning_curve import RelearningCurve
from unlearning_pl.data import ForgetRequest, UnlearningData
from unlearning_pl.data.plans import TrainingPlan
from unlearning_pl.evaluation.retain_relearning import (
    add_retain_relearning,
    curve_metrics,
    embed_for_figures,
    retain_relearning,
)
from unlearning_pl.learners import Classifier, Learner

VIEWS = {"Classifier": 3, "CLIP": 3}


@pytest.fixture(scope="module")
def data() -> UnlearningData:
    return noise_data()


@pytest.fixture(scope="module")
def hider(data: UnlearningData) -> Classifier:
    """The original, whose bias answers one class whatever it sees: every image is still in the weights.

    The bias alone can be trained, so that training can find only what is there.
    """
    model = memorising(data, "train")
    model.head.weight.requires_grad_(False)
    with torch.no_grad():
        model.head.bias[0] += 8
    return model


def test_a_hider_gives_back_what_the_retrained_model_never_had(data: UnlearningData, hider: Classifier) -> None:
    retrained = memorising(data, "retain")
    retrained.head.weight.requires_grad_(False)
    models = {"hider": hider, "retrained": retrained}
    curves = {name: retain_relearning(model, data, 30, accelerator="cpu") for name, model in models.items()}
    assert curves["hider"].accuracy[0] < 50
    assert curves["hider"].accuracy[-1] == 100
    assert curves["hider"].auc[-1] > max(0.85, curves["hider"].auc[0])
    assert curves["hider"].loss[-1] < 0.1 < 1 < curves["hider"].loss[0]
    assert curves["retrained"].accuracy[0] < 50  # classes are random: it can only guess
    assert abs(curves["retrained"].change("accuracy")) <= 100 / 16
    assert abs(curves["retrained"].change("auc")) < 0.05
    assert abs(curves["retrained"].change("loss")) < 0.05


def test_a_curve_is_that_of_a_training_on_the_retain_images_alone(data: UnlearningData, hider: Classifier) -> None:
    """The twin: the same training, the forget images looked at by hand."""
    images, target = data.pool.rows_at(data.positions("forget"))
    images = data.pool.normalise(images)
    seen: set[int] = set()
    rows: list[tuple[float, float]] = []

    class Watch(Callback):
        def extend_plan(self, plan: TrainingPlan) -> TrainingPlan:
            return plan.feed(lambda epoch: ("retain",))

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:  # noqa: ANN001
            seen.update(batch["retain"].index.tolist())

        def on_train_epoch_end(self, trainer, pl_module) -> None:  # noqa: ANN001
            with torch.no_grad():
                scores = pl_module.class_scores(images)
            right = (scores.argmax(1) == target).double().mean().item()
            rows.append((100 * right, torch.nn.functional.cross_entropy(scores, target).item()))

    student = copy.deepcopy(hider)
    student.optimize_with(partial(SGD, lr=0.01, momentum=0.9))
    make_trainer(max_epochs=3, logger=False, callbacks=[Watch()], seed=0).fit(student, datamodule=data)
    curve = retain_relearning(hider, data, 3, accelerator="cpu")
    assert seen == set(data.positions("retain").tolist())
    assert curve.epochs == (0, 1, 2, 3)
    assert curve.accuracy[1:] == pytest.approx([right for right, _ in rows])
    assert curve.loss[1:] == pytest.approx([loss for _, loss in rows], rel=1e-5)


@pytest.fixture(scope="module", params=LEARNERS)
def trained(request: pytest.FixtureRequest) -> tuple[str, Learner, UnlearningData]:
    learner, data = make_learner(request.param), make_data()
    make_trainer(max_epochs=1, logger=False).fit(learner, datamodule=data)
    return request.param, learner, data


def test_figures_are_those_of_the_audit(trained: tuple[str, Learner, UnlearningData]) -> None:
    name, learner, data = trained
    found = forget_figures(embed_for_figures(learner, data, 4))
    embedded = make_trainer(logger=False, seed=0).embed({"model": learner}, data, 4 if name not in VIEWS else 2)
    metrics = compute_audit("model", embedded["model"]).metrics
    accuracy = "forget_accuracy" if name == "Classifier" else "forget_knn"
    auc = {"Classifier": "population_auc", "CLIP": "pair_membership_auc"}.get(name, "membership_auc")
    wanted = {"accuracy": metrics[accuracy], "auc": metrics[auc], "loss": metrics["forget_loss"]}
    assert found == pytest.approx(wanted, rel=1e-6)


def test_the_model_and_the_random_state_stay_as_they_were(trained: tuple[str, Learner, UnlearningData]) -> None:
    _, learner, data = trained
    before, state = copy.deepcopy(learner.state_dict()), torch.get_rng_state()
    modes = [module.training for module in learner.modules()]
    curves = [retain_relearning(learner, data, 1, 3, accelerator="cpu") for _ in range(2)]
    assert curves[0] == curves[1]
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in learner.modules()] == modes


def test_a_model_that_diverges_has_a_shorter_curve_and_no_metric() -> None:
    learner = make_learner("Classifier")
    with torch.no_grad():
        learner.head.weight.fill_(1e30)  # the first step leads to infinity
    audit = Audit("ac", {"seconds": 1.0}, {}, torch.zeros(0, 0))
    data = make_data(forget=ForgetRequest(count=8))
    added = add_retain_relearning([audit], {"ac": learner}, data, 2, 2, accelerator="cpu")[0]
    assert added.metrics == {"seconds": 1.0}
    assert added.retain_relearning is not None
    assert added.retain_relearning.epochs == (0,)  # and not the epoch that ended in NaN
    assert math.isfinite(added.retain_relearning.loss[0])


def test_metrics_are_the_last_values_and_their_changes() -> None:
    curve = RelearningCurve((0, 1, 2), (10.0, 90.0, 80.0), (0.5, 0.5, 0.25), (3.0, 2.0, 1.0))
    assert curve_metrics(curve, 2) == {
        "retain_relearning_accuracy": 80.0,
        "retain_relearning_accuracy_change": 70.0,
        "retain_relearning_auc": 0.25,
        "retain_relearning_auc_change": -0.25,
    }
    assert curve_metrics(curve, 3) == {}
