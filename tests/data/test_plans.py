"""A plan is what the module reads and the callbacks feed; loaders come from it, and the data module never changes."""

from dataclasses import FrozenInstanceError
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from tiny import LEARNERS, make_data, make_learner, make_method, make_trainer
from torch import nn

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan, TrainingPlan, training_plan
from unlearning_pl.data.streams import Share
from unlearning_pl.errors import InputError
from unlearning_pl.evaluation.relearning import relearning_epochs
from unlearning_pl.methods import SCRUB, CoUn, FineTune, GradientPenalty, L1Sparse, NegGradPlus
from unlearning_pl.splitting.training_features import extract_features
from unlearning_pl.types import Pixels


class FrozenData(UnlearningData):
    """Data of which no attribute can be set between ``setup`` and ``teardown``."""

    frozen = False

    def setup(self, stage: str) -> None:
        super().setup(stage)
        vars(self)["frozen"] = True

    def teardown(self, stage: str) -> None:
        vars(self)["frozen"] = False

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in ("trainer", "_hparams") or not self.frozen, f"{name} is set in a loop"
        super().__setattr__(name, value)


def frozen_data(**options: Any) -> FrozenData:
    return FrozenData(**{**vars_of(make_data()), **options})


def vars_of(data: UnlearningData) -> dict[str, Any]:
    names = ("source", "views", "forget", "validation", "train_on", "batch_size", "workers", "eval_batch_size")
    return {name: getattr(data, name) for name in names}


def test_a_module_declares_what_it_reads_by_attributes() -> None:
    assert InputSpec.of(nn.Linear(1, 1)) == InputSpec(views=2, pixels=None, context_length=None)
    pixels = Pixels((0.5,) * 3, (0.2,) * 3)
    assert InputSpec.of(SimpleNamespace(num_views=3, pixels=pixels)) == InputSpec(3, pixels)
    assert InputSpec.of(make_learner("CLIP")) == InputSpec(1, make_learner("CLIP").pixels, 24)


@pytest.mark.parametrize(
    ("callbacks", "streams", "views"),
    [
        ([], [("train",)] * 2, 1),
        ([FineTune()], [("retain",)] * 2, 1),
        ([SCRUB(max_epochs=1)], [("forget",), ("retain",)], 1),
        ([SCRUB(max_epochs=1), CoUn()], [("forget", "retain"), ("retain",)], 2),
        ([GradientPenalty(target="held_out")], [("retain", "forget", "validation")] * 2, 1),
        ([NegGradPlus(1.0), CoUn(), L1Sparse()], [("retain",)] * 2, 2),
    ],
    ids=lambda value: "-".join(type(one).__name__ for one in value) if isinstance(value, list) else None,
)
def test_each_callback_extends_the_plan_of_those_before_it(
    callbacks: list[Any], streams: list[tuple[str, ...]], views: int
) -> None:
    trainer, learner = make_trainer(callbacks=callbacks), make_learner("Classifier")
    plan = training_plan(trainer, learner, "all")
    assert [plan.streams(epoch) for epoch in (0, 1)] == streams
    assert plan.sample.views == views
    assert training_plan(trainer, make_learner("SimCLR"), "all").sample.views == 2
    if callbacks:
        before = training_plan(trainer, learner, "retain", until=callbacks[0])
        assert (before.streams(0), before.sample.views) == (("retain",), 1)


def test_lightnings_own_trainer_has_a_plan_too() -> None:
    trainer = Trainer(callbacks=[FineTune()], logger=False, enable_checkpointing=False, accelerator="cpu")
    assert training_plan(trainer, make_learner("SimCLR"), "all").streams(0) == ("retain",)


def test_plans_are_immutable() -> None:
    plan = TrainingPlan(lambda _: ("train",), SamplePlan.training(InputSpec(), seed=0))
    with pytest.raises(FrozenInstanceError):
        plan.sample.views = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        plan.streams = lambda _: ("retain",)  # type: ignore[misc]
    plan.feed(lambda _: ("forget",), views=3)
    assert (plan.streams(0), plan.sample.views) == (("train",), 2)


@pytest.mark.parametrize("name", LEARNERS)
def test_no_loop_changes_an_attribute_of_the_data(name: str, tmp_path: Any) -> None:
    data, learner = frozen_data(), make_learner(name)
    make_trainer(tmp_path / "run", max_epochs=1).fit(learner, datamodule=data)
    before = dict(vars(data))
    trainer = make_trainer(logger=False)
    trainer.validate(learner, datamodule=data, verbose=False)
    trainer.test(learner, datamodule=data, verbose=False)
    trainer.predict(learner, datamodule=data)
    vars(data)["frozen"] = True  # audits, features and relearning have no set-up of their own
    trainer.embed({"a": learner}, data, views=2)
    extract_features(data, learner)
    relearning_epochs(learner, learner, data, 1, accelerator="cpu")
    vars(data)["frozen"] = False
    changed = {key for key, value in vars(data).items() if value is not before.get(key)}
    assert changed <= {"trainer", "frozen", "_hparams"}


def test_removed_attributes_are_refused_with_what_takes_their_place() -> None:
    data = make_data()
    with pytest.raises(AttributeError, match=r"feed was removed in version 0\.2\. Override extend_plan"):
        data.feed(None)
    with pytest.raises(AttributeError, match=r"num_views was removed"):
        data.num_views = 3
    with pytest.raises(AttributeError, match=r"look_at was removed.*data\.loader\(positions, plan\)"):
        data.look_at(("test",), 2)


def test_evaluation_has_a_batch_of_its_own() -> None:
    data, learner = make_data(eval_batch_size=7), make_learner("Classifier")
    batches = make_trainer(logger=False).predict(learner, datamodule=data)
    assert {len(index) for index, _ in batches[:-1]} == {7}
    assert make_data(batch_size=512).eval_batch_size == 256
    assert make_data(batch_size=20).eval_batch_size == 20
    for wrong in (0, -3):
        with pytest.raises(InputError, match=rf"data\.eval_batch_size >= 1, got {wrong}"):
            make_data(eval_batch_size=wrong)


def test_a_loader_reads_whole_batches_in_turns() -> None:
    data = make_data(eval_batch_size=4)
    plan = SamplePlan.embedding(InputSpec(), 0, seed=0)
    positions = torch.arange(10)
    shares = [[rows.index.tolist() for rows in data.loader(positions, plan, share=Share(rank, 2))] for rank in (0, 1)]
    assert shares == [[[0, 1, 2, 3], [8, 9]], [[4, 5, 6, 7]]]


@pytest.mark.parametrize("method", ["AlignmentCalibration", "SalUn", "SSD", "SCRUB", "CoUn", "ContrastiveUnlearning"])
def test_no_method_changes_an_attribute_of_the_data(method: str, tmp_path: Any) -> None:
    make_trainer(tmp_path / "original", max_epochs=1).fit(make_learner("MoCo"), datamodule=make_data())
    data = frozen_data()
    make_trainer(max_epochs=2).unlearn(make_learner("MoCo"), data, str(tmp_path / "original"), **make_method(method))
    assert not data.frozen
