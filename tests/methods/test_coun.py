import math
from pathlib import Path
from types import SimpleNamespace

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_trainer

from unlearning_pl.data.plans import InputSpec, SamplePlan, TrainingPlan
from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.learners.epoch_terms import EpochTerms
from unlearning_pl.methods import SSD, CoUn, FineTune, GradientAscent, NegGrad, NegGradPlus, RandomLabel, Unlearner
from unlearning_pl.types import Batch


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
@pytest.mark.parametrize(("directions", "scale"), [("sum", 1.0), ("mean", 0.5)])
def test_equals_the_formula_in_plain_loops(learner: Learner, batch: Batch, directions: str, scale: float) -> None:
    z, other = (loops.rows(learner.features(view)) for view in batch["retain"].views)
    total = 0.0
    for a, b in ((z, other), (other, z)):
        for i in range(5):
            scores = [math.exp(loops.cosine(a[i], b[j]) / 0.5) for j in range(5)]
            total -= math.log(scores[i] / sum(scores)) / 5
    term = CoUn(weight=0.7, temperature=0.5, directions=directions).term(learner, batch)
    assert term.item() == pytest.approx(0.7 * scale * total, abs=1e-6)


def test_adds_to_the_loss_under_it_and_both_views_have_a_gradient(learner: Learner, batch: Batch) -> None:
    plugin = CoUn()
    plugin._inner_objective, plugin.inner_streams = FineTune().objective, FineTune().streams
    only_retain = {"retain": batch["retain"]}
    expected = FineTune().objective(learner, only_retain) + plugin.term(learner, only_retain)
    torch.testing.assert_close(plugin.objective(learner, only_retain), expected)
    views = tuple(view.requires_grad_() for view in batch["retain"].views)
    plugin.term(learner, {"retain": batch["retain"]._replace(views=views)}).backward()
    assert all(view.grad is not None and view.grad.abs().sum() > 0 for view in views)


def test_a_method_without_retain_samples_still_sees_its_own_stream_only(learner: Learner, batch: Batch) -> None:
    plugin = CoUn(weight=0.7)
    plugin._inner_objective, plugin.inner_streams = GradientAscent().objective, GradientAscent().streams
    below = TrainingPlan(GradientAscent().streams, SamplePlan.training(InputSpec(), seed=0))
    assert plugin.extend_plan(below).streams(0) == ("forget", "retain")
    ascent = GradientAscent().objective(learner, {"forget": batch["forget"]})
    torch.testing.assert_close(plugin.objective(learner, batch), ascent + plugin.term(learner, batch))


@pytest.mark.parametrize("name", ["Classifier", "MoCo"])
def test_in_training_mode_it_equals_a_pass_of_its_own_and_counts_one_batch_less(name: str, batch: Batch) -> None:
    """The first view's batch statistics are those of its own rows in either; the running ones take them in once."""
    ends, only_retain = [], {"retain": batch["retain"]}
    for remembers in (True, False):
        torch.manual_seed(0)
        learner, plugin = make_learner(name).double(), CoUn()
        plugin._inner_objective, plugin.inner_streams = FineTune().objective, FineTune().streams
        if remembers:
            loss = plugin.objective(learner, only_retain)
        else:
            loss = FineTune().objective(learner, only_retain) + plugin.term(learner, only_retain)
        loss.backward()
        batches = next(b for key, b in learner.backbone.named_buffers() if key.endswith("num_batches_tracked"))
        gradients = torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])
        ends.append((loss.detach(), gradients, int(batches)))
    (loss, gradient, batches), (expected, expected_gradient, more) = ends
    assert torch.equal(loss, expected)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-10, atol=1e-12)
    assert (batches, more) == (2, 3)


@pytest.mark.parametrize("method", [NegGrad, GradientAscent, RandomLabel, NegGradPlus])
def test_in_training_mode_forget_rows_never_change_the_term(
    method: type[Unlearner], batch: Batch, splits: SimpleNamespace
) -> None:
    """A joint pass has batch statistics of forget rows too, so that its features are not those of the term."""
    learner, under, plugin, terms = make_learner("Classifier").double(), method(), CoUn(), []
    under.prepare(learner, splits)
    plugin._inner_objective, plugin.inner_streams = under.objective, under.streams
    for factor in (1.0, 3.0):
        views = tuple(factor * view for view in batch["forget"].views)
        learner.epoch_terms = EpochTerms()
        plugin.objective(learner, {**batch, "forget": batch["forget"]._replace(views=views)})
        terms.append(learner.epoch_terms.state()["retain_contrast"])
    assert terms[0] == terms[1]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("coun") / "original"
    make_trainer(run, max_epochs=1).fit(make_learner("Classifier"), datamodule=make_data())
    return run


def test_a_method_that_takes_no_step_is_refused(original: Path) -> None:
    with pytest.raises(InputError, match="method that takes steps with CoUn, got SSD"):
        make_trainer().unlearn(make_learner("Classifier"), make_data(), str(original), SSD(), [CoUn()])


def test_the_projection_head_is_trained_resumed_and_thrown_away(original: Path, tmp_path: Path) -> None:
    names = set(make_learner("Classifier").state_dict())
    heads = []

    class Spy(CoUn):
        def on_train_start(self, trainer: object, pl_module: Learner) -> None:
            super().on_train_start(trainer, pl_module)
            heads.append(pl_module.auxiliary_modules["coun_head"])

    ends = []
    for epochs in ([3], [1, 3]):
        run = tmp_path / str(len(epochs))
        for step, max_epochs in enumerate(epochs):
            learner = make_learner("Classifier")
            resume = "last" if step else None
            spy = Spy(projection_dim=8)
            torch.manual_seed(step)  # the first start draws the head; a resumed one has drawn another
            make_trainer(run, max_epochs=max_epochs).unlearn(learner, make_data(), str(original), spy, ckpt_path=resume)
            assert set(learner.state_dict()) == names
            saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
            assert set(saved["state_dict"]) == names
            assert saved["auxiliary_modules"]
        ends.append((learner.state_dict(), heads[-1].state_dict()))
    for unbroken, resumed in zip(*ends, strict=True):
        assert all(torch.equal(unbroken[key], resumed[key]) for key in unbroken)


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"temperature": 0.0}, {"projection_dim": -1}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        CoUn(**wrong)
