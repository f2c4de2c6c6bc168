from pathlib import Path
from types import SimpleNamespace

import loops
import pytest
import torch
from tiny import make_data, make_learner, make_trainer
from torch import Tensor

from unlearning_pl.errors import InputError
from unlearning_pl.functional.layer_selection import layers_on_the_front
from unlearning_pl.learners import Classifier, Learner
from unlearning_pl.methods import SLUG
from unlearning_pl.types import Batch, Sample


def score(learner: Learner, sample: Sample) -> float:
    """Accuracy, or mean cosine of the two views."""
    with torch.no_grad():
        if isinstance(learner, Classifier):
            return loops.mean((learner.class_scores(sample.views[0]).argmax(1) == sample.target).double().tolist())
        first, second = (loops.rows(learner.embed(view)) for view in sample.views)
        return loops.mean([loops.cosine(a, b) for a, b in zip(first, second, strict=True)])


def gradients(learner: Learner, loss: Tensor) -> dict[str, Tensor]:
    learner.zero_grad()
    loss.backward()
    return {name: weight.grad.clone() for name, weight in learner.named_parameters()}


def forget_gradients(learner: Learner, sample: Sample) -> dict[str, Tensor]:
    if isinstance(learner, Classifier):
        scores = learner.head(learner.backbone(sample.views[0]))
        return gradients(learner, torch.nn.functional.cross_entropy(scores, sample.target, reduction="sum"))
    first, second = (learner.embed(view) for view in sample.views)
    return gradients(learner, -torch.cosine_similarity(first, second).sum())


def by_hand(learner: Learner, batch: Batch, target: float, tries: int) -> dict[str, Tensor]:
    """The weights after the best step, each layer searched in turn."""
    forget = forget_gradients(learner, batch["forget"])
    retain = gradients(learner, learner.losses(learner.outputs(batch["retain"]), batch["retain"]).sum())
    weights = {name: weight.detach().clone() for name, weight in learner.named_parameters()}
    best: tuple[float, dict[str, Tensor]] = (float("inf"), {})
    for name in layers_on_the_front(
        [name for name in weights if "bias" not in name and "projection" not in name], weights, forget, retain
    ):
        low, high, step = 0.0, None, float(weights[name].norm() / forget[name].norm()) / 10
        states = {}
        for _ in range(tries):
            states[step] = weights | {name: weights[name] + step * forget[name]}
            learner.load_state_dict(states[step], strict=False)
            low, high = (low, step) if score(learner, batch["forget"]) <= target else (step, high)
            step = 2 * step if high is None else (low + high) / 2
        if high is not None:
            learner.load_state_dict(states[high], strict=False)
            best = min(best, (loops.mean(loops.losses(learner, batch["retain"])), states[high]), key=lambda one: one[0])
    learner.load_state_dict(weights, strict=False)
    return best[1]


@pytest.mark.parametrize("learner", ["Classifier", "SimCLR"], indirect=True)
def test_equals_a_search_of_each_layer_in_plain_loops(learner: Learner, batch: Batch) -> None:
    learner.trainer = make_trainer()
    if isinstance(learner, Classifier):  # it knows all forget images
        classes = learner.class_scores(batch["forget"].views[0]).argmax(1)
        batch = {**batch, "forget": batch["forget"]._replace(target=classes)}
    target = 0.0 if isinstance(learner, Classifier) else score(learner, batch["forget"]) - 0.1
    before = {name: weight.detach().clone() for name, weight in learner.named_parameters()}
    expected = by_hand(learner, batch, target, tries=6)
    SLUG(target, tries=6).measure(learner, {split: [sample] for split, sample in batch.items()})
    changed = [name for name, weight in learner.named_parameters() if not torch.equal(weight, before[name])]
    assert len(changed) == 1
    for name, weight in learner.named_parameters():
        torch.testing.assert_close(weight, expected[name], msg=name)
    assert score(learner, batch["forget"]) <= target


def test_without_a_step_that_is_enough_nothing_changes(learner: Learner, batch: Batch) -> None:
    learner.trainer = make_trainer()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    with pytest.warns(UserWarning, match="SLUG changed no weight"):
        SLUG(target=-1.0, tries=2).measure(learner, {split: [sample] for split, sample in batch.items()})
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_a_layer_whose_retain_loss_is_not_finite_is_not_chosen(
    learner: Learner, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner.trainer = make_trainer()
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    losses = lambda learner, sample: torch.full((len(sample.index),), torch.nan)  # noqa: E731
    monkeypatch.setattr("unlearning_pl.methods.slug.training_losses", losses)
    with pytest.warns(UserWarning, match="SLUG changed no weight"):
        SLUG(target=1.0, tries=2).measure(learner, {split: [sample] for split, sample in batch.items()})
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())


def test_without_held_out_images_it_asks_for_a_target(splits: SimpleNamespace) -> None:
    splits.positions = {"validation": torch.arange(0)}.__getitem__
    with pytest.raises(InputError, match=r"held-out images for SLUG, got none.*target"):
        SLUG().prepare(make_learner("SimCLR"), splits)
    SLUG(target=0.0).prepare(make_learner("SimCLR"), splits)


@pytest.mark.parametrize("wrong", [{"target": 1.5}, {"target": "nothing"}, {"tries": 0}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))} .*, got {next(iter(wrong.values()))}"):
        SLUG(**wrong)


@pytest.mark.parametrize("name", ["Classifier", "MoCo"])
@pytest.mark.filterwarnings("ignore:SLUG changed no weight")
def test_a_run_is_held_to_what_held_out_images_have(name: str, originals: dict[str, Path]) -> None:
    before = torch.load(originals[name] / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    learner, trainer, method, limits = make_learner(name), make_trainer(), SLUG(tries=4), []
    limit_of = method._limit
    method._limit = lambda learner: limits.append(limit_of(learner)) or limits[-1]
    trainer.unlearn(learner, make_data(), str(originals[name]), method)
    assert trainer.global_step == 0
    assert len(limits) == 1
    assert -1 <= limits[0] <= 1
    changed = [name for name, weight in learner.named_parameters() if not torch.equal(weight, before[name])]
    assert len(changed) <= 1
