"""Norms of loss gradients: a linear model's are known; of a batch, only the row's own outputs count."""

import copy

import pytest
import torch
from memorised import images_of, linear_model, memorising, noise_data
from sklearn.metrics import roc_auc_score
from tiny import LEARNERS, make_data, make_learner, make_rows
from torch.nn import functional as F
from torch.utils._pytree import tree_map

from unlearning_pl.audits import Audit
from unlearning_pl.evaluation.gradient_attack import add_gradient_attack, gradient_norms, own_losses
from unlearning_pl.functional.gradients import weight_gradient_norms
from unlearning_pl.learners import Classifier

NO_AUDIT = Audit("ac", {}, {}, torch.zeros(0, 0))


def test_norms_of_a_linear_model_are_known() -> None:
    """The gradient of -log p_y is (p - e_y) x^T in the weights and p - e_y in the bias."""
    data, model = noise_data(), linear_model()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    found = gradient_norms(model, data, accelerator="cpu")
    for split in ("forget", "test"):
        images, target = images_of(data, split)
        with torch.no_grad():
            residual = model.class_scores(images).softmax(1) - F.one_hot(target, 4)
        known = residual.norm(dim=1) * (images.flatten(1).square().sum(1) + 1).sqrt()
        torch.testing.assert_close(found[split], known)
    assert model.head.weight.grad is None


def test_the_attack_finds_what_was_memorised_and_not_what_was_never_seen() -> None:
    data = noise_data()
    models = {"original": memorising(data, "train"), "retrained": memorising(data, "retain")}
    audits = [Audit(name, {}, {}, torch.zeros(0, 0)) for name in models]
    original, retrained = add_gradient_attack(audits, models, data, accelerator="cpu")
    assert original.metrics["gradient_auc"] > 0.99
    assert abs(retrained.metrics["gradient_auc"] - 0.5) < 0.2
    norms = gradient_norms(models["retrained"], data, accelerator="cpu")
    labels = [1] * len(norms["forget"]) + [0] * len(norms["test"])
    auc = roc_auc_score(labels, -torch.cat([norms["forget"], norms["test"]]).numpy())
    assert retrained.metrics["gradient_auc"] == pytest.approx(auc)
    low, high = retrained.intervals["gradient_auc"]
    assert 0 <= low < auc < high <= 1


@pytest.mark.parametrize("name", LEARNERS)
def test_the_outputs_of_other_rows_are_constants(name: str) -> None:
    """The twin: one pass of the batch, in which all rows but one are cut from the graph."""
    learner = make_learner(name).double().eval()
    sample = make_rows(5)
    sample = sample._replace(views=tuple(view.double() for view in sample.views))
    weights = [weight for weight in learner.parameters() if weight.requires_grad]
    known = []
    for row in range(5):
        mine = (torch.arange(5) == row)[:, None]
        outputs = tree_map(lambda x, mine=mine: torch.where(mine, x, x.detach()), learner.outputs(sample))
        known.append(weight_gradient_norms([learner.losses(outputs, sample)[row]], weights))
    found = weight_gradient_norms(own_losses(learner, sample), weights)
    torch.testing.assert_close(found, torch.cat(known))
    if not learner.compares_rows:  # the whole gradient
        torch.testing.assert_close(
            found, weight_gradient_norms(learner.losses(learner.outputs(sample), sample), weights)
        )


class Scalars(Classifier):
    """Outputs of a form that no part of the package knows: one number a row."""

    def outputs(self, sample):  # noqa: ANN001, ANN201
        return super().outputs(sample).square().sum(1)

    def losses(self, outputs, sample):  # noqa: ANN001, ANN201
        return outputs


def test_outputs_of_another_form_are_computed_by_the_batch() -> None:
    learner, sample = Scalars("resnet9_slim").eval(), make_rows(3)
    weights = [weight for weight in learner.parameters() if weight.requires_grad]
    known = weight_gradient_norms(learner.outputs(sample), weights)
    torch.testing.assert_close(weight_gradient_norms(own_losses(learner, sample), weights), known)


@pytest.mark.parametrize("name", ["SimCLR", "MoCo", "Classifier"])
def test_the_attack_changes_nothing_and_repeats(name: str) -> None:
    learner, data = make_learner(name), make_data()
    before, state = copy.deepcopy(learner.state_dict()), torch.get_rng_state()
    first, second = (gradient_norms(learner, data, accelerator="cpu") for _ in range(2))
    assert all(torch.equal(first[split], second[split]) for split in first)
    assert {split: len(norms) for split, norms in first.items()} == {"forget": 8, "test": 100}
    assert all(bool((norms > 0).all()) for norms in first.values())
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())
    assert all(weight.grad is None for weight in learner.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_half_precision_does_not_lose_small_gradients() -> None:
    data = noise_data()
    model = memorising(data, "train")
    with torch.no_grad():
        model.head.weight.mul_(3)  # norms down to 1e-9, which vanish in float16
    wide, half = (gradient_norms(model, data, accelerator="cpu", precision=p) for p in ("32-true", "bf16-mixed"))
    assert all(torch.equal(wide[split], half[split]) for split in wide)


def test_a_norm_that_is_no_number_gives_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    from unlearning_pl.evaluation import gradient_attack

    broken = {"forget": torch.tensor([1.0, torch.nan]), "test": torch.ones(3)}
    monkeypatch.setattr(gradient_attack, "gradient_norms", lambda *_, **__: broken)
    assert add_gradient_attack([NO_AUDIT], {"ac": None}, None)[0].metrics == {}
