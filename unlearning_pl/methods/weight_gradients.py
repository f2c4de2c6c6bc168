"""Gradients of the original over a set of samples, which processes share."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares
from unlearning_pl.learners import Learner
from unlearning_pl.methods.shared_means import Values, training_losses
from unlearning_pl.types import Sample


def trainable_parameters(learner: Learner) -> dict[str, Tensor]:
    """Parameters that the optimiser updates, by name, without the auxiliary modules that a plug-in added."""
    parameters = learner.named_parameters()
    return {
        name: weight
        for name, weight in parameters
        if weight.requires_grad and not name.startswith(("auxiliary_modules.", "scaffold."))
    }


def summed_gradients(
    learner: Learner, samples: Iterable[Sample], values: Values = training_losses
) -> dict[str, Tensor]:
    """Gradient of a loss, summed over the samples of all processes, in float32 or wider.

    Args:
        learner: In evaluation mode.
        samples: This process's batches; a loss that compares samples compares those of one batch.
        values: Loss of each row of a batch, ``(B,)``.

    Returns:
        A tensor of each trainable weight's shape, by name.
    """
    total = _zero_gradients(learner)
    for sample in samples:
        _accumulate(total, learner, values(learner, sample).sum(), power=1)
    all_reduce_shares(total.values())
    return total


def squared_gradients(learner: Learner, samples: Iterable[Sample], rows: int) -> dict[str, Tensor]:
    """Mean over the groups of all processes of the squared gradient of a group's mean loss, in float32 or wider.

    With groups of one sample it is the diagonal of the empirical Fisher information.

    Args:
        learner: In evaluation mode.
        samples: This process's batches, each cut into groups.
        rows: Number of samples per group; the last group of a batch may be smaller.

    Returns:
        A tensor of each trainable weight's shape, by name; zeros without samples.
    """
    total, groups = _zero_gradients(learner), torch.zeros(())
    for sample in samples:
        for group in _split_groups(sample, rows):
            _accumulate(total, learner, learner.losses(learner.outputs(group), group).mean(), power=2)
            groups += 1
    groups = groups.to(next(learner.parameters()).device)
    all_reduce_shares([groups, *total.values()])
    return {name: value / groups.clamp(min=1) for name, value in total.items()}


def _split_groups(sample: Sample, rows: int) -> Iterator[Sample]:
    for start in range(0, len(sample.index), rows):
        part = slice(start, start + rows)
        yield sample.take(part)


def _zero_gradients(learner: Learner) -> dict[str, Tensor]:
    weights = trainable_parameters(learner).items()
    return {name: torch.zeros_like(w, dtype=torch.promote_types(w.dtype, torch.float32)) for name, w in weights}


def _accumulate(total: dict[str, Tensor], learner: Learner, loss: Tensor, power: int) -> None:
    gradients = torch.autograd.grad(loss, list(trainable_parameters(learner).values()), materialize_grads=True)
    for value, gradient in zip(total.values(), gradients, strict=True):
        value += gradient.to(value.dtype) ** power
