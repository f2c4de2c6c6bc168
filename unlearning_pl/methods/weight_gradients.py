"""Gradients of the original, summed over samples: what SalUn and SSD measure."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample


def trainable(learner: Learner) -> dict[str, Tensor]:
    """The weights of the model that an optimiser moves, by name; what a plug-in added for the training is none."""
    named = learner.named_parameters()
    return {
        name: weight for name, weight in named if weight.requires_grad and not name.startswith("auxiliary_modules.")
    }


def summed_gradients(learner: Learner, samples: Iterable[Sample]) -> dict[str, Tensor]:
    """Gradient of the loss summed over all samples, in float32 or wider.

    Args:
        learner: In evaluation mode.
        samples: Batches; where the loss compares samples, each batch is compared within itself.

    Returns:
        A tensor of each trainable weight's shape, by name.
    """
    total = _zeros(learner)
    for sample in samples:
        _add(total, learner, learner.losses(learner.outputs(sample), sample).sum(), power=1)
    return total


def squared_gradients(learner: Learner, samples: Iterable[Sample], rows: int) -> dict[str, Tensor]:
    """Mean over groups of samples of the squared gradient of a group's mean loss, in float32 or wider.

    With groups of one it is the diagonal of the empirical Fisher information.

    Args:
        learner: In evaluation mode.
        samples: Batches, which are cut into groups.
        rows: Samples of a group; the last group of a batch may be smaller.

    Returns:
        A tensor of each trainable weight's shape, by name; zeros without samples.
    """
    total, groups = _zeros(learner), 0
    for sample in samples:
        for group in _groups(sample, rows):
            _add(total, learner, learner.losses(learner.outputs(group), group).mean(), power=2)
            groups += 1
    return {name: value / max(groups, 1) for name, value in total.items()}


def _groups(sample: Sample, rows: int) -> Iterator[Sample]:
    for start in range(0, len(sample.index), rows):
        part = slice(start, start + rows)
        yield sample.take(part)


def _zeros(learner: Learner) -> dict[str, Tensor]:
    weights = trainable(learner).items()
    return {name: torch.zeros_like(w, dtype=torch.promote_types(w.dtype, torch.float32)) for name, w in weights}


def _add(total: dict[str, Tensor], learner: Learner, loss: Tensor, power: int) -> None:
    gradients = torch.autograd.grad(loss, list(trainable(learner).values()), materialize_grads=True)
    for value, gradient in zip(total.values(), gradients, strict=True):
        value += gradient.to(value.dtype) ** power
