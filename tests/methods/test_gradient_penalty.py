import pytest
import torch
from tiny import make_rows

from unlearning_pl.errors import InputError
from unlearning_pl.learners import Learner
from unlearning_pl.methods import GradientPenalty
from unlearning_pl.sample import Batch, joint


@pytest.mark.parametrize("learner", ["Classifier"], indirect=True)
@pytest.mark.parametrize(("target", "power"), [(0.0, 1), (0.3, 1), (0.3, 2)])
def test_equals_the_formula_with_one_backward_pass_a_sample(
    learner: Learner, batch: Batch, target: float, power: int
) -> None:
    learner.double()
    batch = {name: s._replace(views=tuple(v.double() for v in s.views)) for name, s in batch.items()}
    retained = batch["retain"]
    mean = learner.losses(learner.outputs(retained), retained).mean().item()
    penalties = []
    for i in range(3):
        alone = batch["forget"]
        view = alone.views[0][i : i + 1].clone().requires_grad_()
        one = alone._replace(views=(view,), target=alone.target[i : i + 1], index=alone.index[i : i + 1])
        (gradient,) = torch.autograd.grad(learner.losses(learner.outputs(one), one).sum(), view)
        penalties.append(abs(gradient.flatten().norm().item() - target) ** power)
    loss = GradientPenalty(weight=0.7, target=target, power=power).objective(learner, batch)
    assert loss.item() == pytest.approx(mean + 0.7 * sum(penalties) / 3, abs=1e-9)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_without_weight_it_is_the_retain_loss_of_the_joint_pass(learner: Learner, batch: Batch) -> None:
    sample, _ = joint(batch)
    expected = learner.losses(learner.outputs(sample), sample)[:5].mean()
    torch.testing.assert_close(GradientPenalty(weight=0.0).objective(learner, batch), expected)


@pytest.mark.parametrize("learner", ["SimCLR", "MoCo", "BYOL", "Classifier"], indirect=True)
def test_descending_it_flattens_the_loss_around_forget_samples(learner: Learner, batch: Batch) -> None:
    method = GradientPenalty(weight=100.0)
    method.objective(learner, batch).backward()
    before, count = learner.terms["forget_gradient_norm"]
    with torch.no_grad():
        for p in learner.parameters():
            if p.grad is not None:
                p -= 1e-6 * p.grad
    method.objective(learner, batch)
    assert count == 3
    assert learner.terms["forget_gradient_norm"][0] < before


def test_attention_has_a_second_derivative() -> None:
    from unlearning_pl.learners import Classifier

    learner = Classifier("vit_tiny")
    learner.log_term = lambda *_, **__: None
    batch = {"retain": make_rows(2, size=32), "forget": make_rows(2, start=2, size=32)}
    GradientPenalty().objective(learner, batch).backward()
    gradient = learner.backbone.encoder.layers[0].self_attention.in_proj_weight.grad
    assert torch.isfinite(gradient).all()
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("wrong", [{"weight": -1.0}, {"target": -0.1}, {"power": 3}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wrong))}.*got {next(iter(wrong.values()))}"):
        GradientPenalty(**wrong)
