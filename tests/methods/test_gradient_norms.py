"""Norms of gradients against backward passes of their own."""

import numpy as np
import pytest
import torch
from tiny import make_rows
from torch import nn

from unlearning_pl.learners import Learner
from unlearning_pl.methods.gradient_norms import add_weighted, gradient_norms, loss_gradients, loss_with_gradients


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
def test_a_loss_with_known_gradients_gives_those_of_the_weighted_sum(learner: Learner) -> None:
    learner.double()
    unused = nn.Parameter(torch.ones(2))
    learner.register_parameter("unused", unused)
    sample = make_rows(6)
    sample = sample._replace(views=tuple(view.double() for view in sample.views))

    def terms() -> tuple[torch.Tensor, torch.Tensor]:
        losses = learner.eval().losses(learner.outputs(sample), sample)
        return losses[:4].mean(), losses[4:].square().mean()

    first, second = terms()
    (first + 0.25 * second).mul(8).backward()
    expected = {name: p.grad.clone() for name, p in learner.named_parameters() if p.grad is not None}
    learner.zero_grad()
    parts = loss_gradients(learner, *terms())
    loss = loss_with_gradients(learner, first + 0.25 * second, add_weighted(*parts, torch.tensor(0.25)))
    assert loss.item() == pytest.approx((first + 0.25 * second).item())
    loss.mul(8).backward()  # as a gradient scaler, or accumulation
    found = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
    assert unused.grad is None
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-11)


def test_a_pull_that_overflows_adds_nothing() -> None:
    (sum_,) = add_weighted([torch.ones(2)], [torch.tensor([torch.inf, torch.nan])], torch.tensor(0.0))
    assert sum_.tolist() == [1, 1]
