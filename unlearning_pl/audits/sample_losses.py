"""Training loss of single images, for audits.

Letters: B rows of a batch, D width of the features.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from unlearning_pl.audits.known_features import known_features
from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample


def per_sample_losses(learner: Learner, batch: Sample, features: Sequence[Tensor] = ()) -> Tensor:
    """Training loss of each image, ``(B,)``: of the clean image if the learner needs one view, else of augmented views.

    The encoder does not embed these views again: it takes a pass only where the loss needs another one, such as the
    momentum encoder of MoCo and BYOL. The outputs of a learner with ``independent_rows`` are computed in as many parts
    of the rows as there are views, so that they need the memory of one view.

    Args:
        learner: The model, in evaluation mode.
        batch: Its views are the clean image, then at least as many augmented views as the learner needs.
        features: Features of the first of these views, each ``(B, D)``, as far as they are known.
    """
    own = needed_views(learner, batch)
    return learner.losses(_outputs_by_parts(learner, own, features[_needed(learner)]), own)


def needed_views(learner: Learner, batch: Sample) -> Sample:
    """The views of an audit's batch that a learner's loss needs, and the first caption; arguments as above."""
    views = batch.views[_needed(learner)]
    return batch._replace(views=views, text=None if batch.text is None else batch.text[:, 0])


def _needed(learner: Learner) -> slice:
    return slice(0, 1) if learner.num_views == 1 else slice(1, 1 + learner.num_views)


def _outputs_by_parts(learner: Learner, sample: Sample, features: Sequence[Tensor]) -> Any:
    in_parts = learner.num_views > 1 and learner.independent_rows
    size = -(-len(sample.index) // (learner.num_views if in_parts else 1))
    parts = []
    for start in range(0, len(sample.index), size):
        part = sample.take(rows := slice(start, start + size))
        with known_features(learner, part.views, [known[rows] for known in features]):
            parts.append(learner.outputs(part))
    return tree_map(lambda *values: torch.cat(values, dim=-2), *parts) if in_parts else parts[0]


def has_rows(outputs: Any) -> bool:
    """Whether outputs are tensors with the rows on the next-to-last axis, as those of this package's learners.

    Example:
        >>> has_rows((torch.zeros(3, 2), torch.zeros(2, 3, 2))), has_rows(torch.zeros(3))
        (True, False)
    """
    return all(isinstance(leaf, Tensor) and leaf.dim() >= 2 for leaf in tree_leaves(outputs))
