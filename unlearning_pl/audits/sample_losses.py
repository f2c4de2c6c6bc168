"""Training loss of single images, for audits.

Letters: B rows of a batch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from unlearning_pl.learners import Learner
from unlearning_pl.types import Sample


def per_sample_losses(learner: Learner, batch: Sample) -> Tensor:
    """Training loss of each image, ``(B,)``: of the clean image if the learner needs one view, else of augmented views.

    The outputs of a learner with ``independent_rows`` are computed in as many parts of the rows as there are views, so
    that they need the memory of one view.

    Args:
        learner: The model, in evaluation mode.
        batch: Its views are the clean image, then at least as many augmented views as the learner needs.
    """
    own = needed_views(learner, batch)
    return learner.losses(_outputs_by_parts(learner, own), own)


def needed_views(learner: Learner, batch: Sample) -> Sample:
    """The views of an audit's batch that a learner's loss needs, and the first caption; arguments as above."""
    needed = slice(0, 1) if learner.num_views == 1 else slice(1, 1 + learner.num_views)
    return batch._replace(views=batch.views[needed], text=None if batch.text is None else batch.text[:, 0])


def _outputs_by_parts(learner: Learner, sample: Sample) -> Any:
    if learner.num_views == 1 or not learner.independent_rows:
        return learner.outputs(sample)
    size = -(-len(sample.index) // learner.num_views)
    parts = [learner.outputs(sample.take(slice(start, start + size))) for start in range(0, len(sample.index), size)]
    return tree_map(lambda *values: torch.cat(values, dim=-2), *parts)


def has_rows(outputs: Any) -> bool:
    """Whether outputs are tensors with the rows on the next-to-last axis, as those of this package's learners.

    Example:
        >>> has_rows((torch.zeros(3, 2), torch.zeros(2, 3, 2))), has_rows(torch.zeros(3))
        (True, False)
    """
    return all(isinstance(leaf, Tensor) and leaf.dim() >= 2 for leaf in tree_leaves(outputs))
