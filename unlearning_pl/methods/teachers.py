"""Frozen teacher models: the callback holds them, no checkpoint does.

Letters: B rows of a batch, K classes or candidates.
"""

import copy

import torch
from torch import Tensor, nn

from unlearning_pl.data.seeds import isolated_rng, run_seed
from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample


def frozen_copy(learner: Learner) -> Learner:
    """Copy a learner, in evaluation mode and without gradients."""
    return copy.deepcopy(learner).eval().requires_grad_(False)


def random_copy(learner: Learner, seed: int) -> Learner:
    """Copy a learner like :func:`frozen_copy`, with random weights that are equal on every process: an untrained model.

    Each layer is re-initialised by its own ``reset_parameters``; weights of modules without one are drawn from a normal
    distribution of standard deviation 0.02, as in vision transformers. The global random state does not change.

    Args:
        learner: The learner, on the CPU.
        seed: Seed of the run.
    """
    teacher = frozen_copy(learner)
    with isolated_rng(torch.device("cpu"), run_seed(seed, "random teacher")), torch.no_grad():
        for module in teacher.modules():
            _reinitialise(module)
    return teacher


def teacher_logits(teacher: Learner, sample: Sample) -> Tensor:
    """Scores of a teacher for distillation, ``(B, K)``, computed in inference mode.

    The scores are a copy made outside of it: autograd saves them for the student's gradient, and refuses to save
    tensors of inference mode.
    """
    with torch.inference_mode():
        logits = teacher.logits(teacher.outputs(sample))
    return logits.clone()


def _reinitialise(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if callable(reset):
        reset()
        return
    for weight in module.parameters(recurse=False):
        nn.init.normal_(weight, std=0.02)
