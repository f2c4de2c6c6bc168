"""Gradients of terms of a loss against backward passes of their own."""

import numpy as np
import pytest
import torch
from tiny import make_rows
from torch import nn

from unlearning_pl.learners import Learner
from unlearning_pl.methods.loss_gradients import add_weighted, gradient_norms, loss_gradients, loss_with_gradients


@pytest.mark.parametrize("learner", ["BYOL", "Classifier"], indirect=True)
def test_they_are_those_of_a_backward_pass_over_trained_weights(learner: Learner) -> None:
    learner.auxiliary_modules["head"] = nn.Linear(2, 2).double()
    next(learner.backbone.parameters()).requires_grad_(False)
    sample = make_rows(6)
    sample = sample._replace(views=tuple(view.double() for view in sample.views))
    losses = learner.losses(learner.outputs(sample), sample)
    helped = losses[:2].sum() + learner.auxiliary_modules["head"](torch.ones(2).double()).sum()
    own = []
    for loss in (losses.mean(), losses[:2].sum()):
        learner.zero_grad()
        loss.backward(retain_graph=True)
        squares = [p.grad.square().sum().item() for p in learner.parameters() if p.grad is not None]
        own.append(np.sqrt(sum(squares)))
    learner.zero_grad()
    found = gradient_norms(learner, loss_gradients(learner, losses.mean(), helped))
    assert all(p.grad is None for p in learner.parameters())
    assert found.tolist() == pytest.approx(own, rel=1e-9)


def test_half_precision_does_not_lose_a_small_loss() -> None:
    layer = nn.Linear(4, 1, bias=False)
    small = 1e-8 * (layer.weight.half() @ torch.ones(4).half()).float().sum()
    large = 1e-3 * (layer.weight.half() @ torch.ones(4).half()).float().sum()
    few, many = gradient_norms(layer, loss_gradients(layer, small, large)).tolist()
    assert few / many == pytest.approx(1e-5, rel=0.1)


@pytest.mark.parametrize("learner", ["MoCo", "Classifier"], indirect=True)
@pytest.mark.parametrize("precision", [None, torch.bfloat16])
def test_a_loss_with_known_gradients_gives_those_of_the_weighted_sum(
    learner: Learner, precision: torch.dtype | None
) -> None:
    learner.auxiliary_modules["scale"] = nn.Linear(1, 1)
    learner.register_parameter("unused", nn.Parameter(torch.ones(2)))
    dtype = torch.float64 if precision is None else torch.float32
    learner.to(dtype)
    sample = make_rows(6)
    sample = sample._replace(views=tuple(view.to(dtype) for view in sample.views))

    def terms() -> tuple[torch.Tensor, torch.Tensor]:
        losses = learner.eval().losses(learner.outputs(sample), sample)
        return losses[:4].mean(), (learner.auxiliary_modules["scale"].weight * losses[4:]).square().mean()

    def autocast() -> torch.autocast:
        return torch.autocast("cpu", precision, enabled=precision is not None)

    with autocast():
        first, second = terms()
    (first + 0.25 * second).mul(8).backward()  # 8: a gradient scaler, or accumulation
    expected = {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}
    learner.zero_grad()
    with autocast():
        parts = loss_gradients(learner, *terms())
        loss = loss_with_gradients(learner, first + 0.25 * second, add_weighted(*parts, torch.tensor(0.25)))
    assert loss.item() == pytest.approx((first + 0.25 * second).item())
    loss.mul(8).backward()
    found = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
    assert "unused" not in found
    assert "auxiliary_modules.scale.weight" in found
    close = {"rtol": 1e-10, "atol": 1e-11} if precision is None else {"rtol": 0.03, "atol": 1e-3}
    torch.testing.assert_close(found, expected, **close)


def test_products_of_a_loss_in_full_precision_stay_so_within_autocast() -> None:
    layer, inputs = nn.Linear(64, 64, bias=False), torch.randn(64, 64)

    def loss() -> torch.Tensor:
        with torch.autocast("cpu", enabled=False):
            return (inputs @ layer.weight).sigmoid().mean()

    (expected,) = torch.autograd.grad(loss(), [layer.weight])
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = loss_gradients(layer, loss())
    torch.testing.assert_close(found["weight"], expected, rtol=1e-5, atol=1e-9)


def test_a_gradient_that_is_not_a_number_stays_one() -> None:
    total = add_weighted({"a": torch.ones(1)}, {"a": torch.tensor([torch.nan])}, torch.tensor(0.0))
    assert total["a"].isnan().all()
