"""Means over the samples of all processes, each of which evaluates its share of the batches."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from unlearning_pl.distributed.collectives import all_reduce_shares
from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample

Values = Callable[[Learner, Sample], Tensor]  # a value of each row, (B,)


@torch.no_grad()
def shared_mean(learner: Learner, samples: Iterable[Sample], values: Values) -> Tensor:
    """Mean of a value of each sample, ``()``; not a number without samples.

    Args:
        learner: In evaluation mode.
        samples: This process's batches.
        values: Values of the rows of a batch, ``(B,)``.
    """
    dtype = torch.promote_types(next(learner.parameters()).dtype, torch.float32)
    total = torch.zeros(2, device=learner.device, dtype=dtype)  # of values, and of rows
    for sample in samples:
        found = values(learner, sample)
        total += torch.stack([found.to(dtype).sum(), found.new_tensor(len(found), dtype=dtype)])
    all_reduce_shares([total])
    return total[0] / total[1]


def success(learner: Learner, sample: Sample) -> Tensor:
    """Whether a learner with classes gets each row right; the alignment of the row's pair for any other, ``(B,)``."""
    scores = learner.class_scores(sample.views[0])
    return learner.alignment(learner.outputs(sample), sample) if scores is None else scores.argmax(1) == sample.target


def training_losses(learner: Learner, sample: Sample) -> Tensor:
    """The training loss of each row, ``(B,)``."""
    return learner.losses(learner.outputs(sample), sample)
