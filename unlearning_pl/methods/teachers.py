"""Frozen models that a method compares with: they live on the callback, and in no checkpoint."""

import copy

import torch
from torch import nn

from unlearning_pl.data.streams import run_seed
from unlearning_pl.learners import Learner


def frozen_copy(learner: Learner) -> Learner:
    """A copy of a learner in evaluation mode that no gradient moves."""
    return copy.deepcopy(learner).eval().requires_grad_(False)


def random_copy(learner: Learner) -> Learner:
    """The same with random weights, equal on every process: a model that has learned nothing.

    Layers are drawn anew by their own ``reset_parameters``; weights of modules without it from a normal distribution
    of deviation 0.02, as in vision transformers.
    """
    teacher = frozen_copy(learner)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(run_seed("random teacher"))
        for module in teacher.modules():
            _draw(module)
    return teacher


def _draw(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
        return
    for weight in module.parameters(recurse=False):
        nn.init.normal_(weight, std=0.02)
