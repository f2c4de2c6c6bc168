"""Norms of gradients against backward passes of their own."""

import numpy as np
import pytest
import torch
from tiny import make_rows
from torch import nn

from unlearning_pl.learners import Learner
from unlearning_pl.methods.gradient_norms import gradient_norms


@pytest.mark.parametrize("learner", ["BYOL", "Classifier"], indirect=True)
def test_they_are_those_of_a_backward_pass_over_trained_weights(learner: Learner) -> None:
    learner.auxiliary_modules["head"] = nn.Linear(2, 2).double()
    next(learner.backbone.parameters()).requires_grad_(False)
    sample = make_rows(6)
    sample = sample._replace(views=tuple(view.double() for view in sample.views))
    losses = learner.losses(learner.outputs(sample), sample)
    helped = losses[:2].sum() + learner.auxiliary_modules["head"](torch.ones(2).double()).sum()
    found = gradient_norms(learner, losses.mean(), helped)
    assert all(p.grad is None for p in learner.parameters())
    for loss, norm in zip((losses.mean(), losses[:2].sum()), found, strict=True):
        learner.zero_grad()
        loss.backward(retain_graph=True)
        squares = [p.grad.square().sum().item() for p in learner.parameters() if p.grad is not None]
        assert norm.item() / 1024 == pytest.approx(np.sqrt(sum(squares)), rel=1e-9)


def test_half_precision_does_not_lose_a_small_loss() -> None:
    layer = nn.Linear(4, 1, bias=False)
    small = 1e-8 * (layer.weight.half() @ torch.ones(4).half()).float().sum()
    large = 1e-3 * (layer.weight.half() @ torch.ones(4).half()).float().sum()
    few, many = gradient_norms(layer, small, large).tolist()
    assert few / many == pytest.approx(1e-5, rel=0.1)
