"""A number of each image that is higher if the model was trained on it, as membership attacks read it.

Letters: B rows of a batch.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from unlearning_pl.functional.confidence import scaled_logit
from unlearning_pl.learners.feature_memory import features_of
from unlearning_pl.types import Sample


def membership_score(learner: Any, sample: Sample, outputs: Any = None) -> Tensor:
    """Membership score of each image, ``(B,)`` float32 or wider, with a gradient.

    A classifier: the log odds of the true class (:func:`~unlearning_pl.functional.confidence.scaled_logit`). A
    learner that needs two views: the cosine of the features of an image's views, the mean over all pairs, which
    EncoderMI reads (Liu et al., CCS 2021, arXiv 2108.11023). Any other, such as CLIP: the alignment of an image and its
    caption.

    Args:
        learner: A learner, or a module with ``logits``, ``features`` or ``alignment``, see docs/protocol.md.
        sample: Images with their views; two or more for a learner that needs two.
        outputs: The learner's outputs for the sample; None computes them. Cosines do not need them.

    Example:
        >>> from types import SimpleNamespace
        >>> learner = SimpleNamespace(num_views=1, logits=lambda outputs: outputs)
        >>> sample = Sample((torch.zeros(1, 3, 2, 2),), torch.tensor([0]), torch.tensor([5]))
        >>> membership_score(learner, sample, torch.tensor([[2.0, 0.0]]))
        tensor([2.])
    """
    kind = score_kind(learner)
    if kind == "cosine":
        units = torch.stack([normalize(_wide(features_of(learner, view)), dim=1) for view in sample.views])
        count = len(units)  # the square of the sum has the cosine of every pair twice, and every view's with itself
        return (units.sum(0).square().sum(1) - units.square().sum((0, 2))) / (count * (count - 1))
    outputs = learner.outputs(sample) if outputs is None else outputs
    if kind == "alignment":
        return _wide(learner.alignment(outputs, sample))
    return scaled_logit(learner.logits(outputs), sample.target)


def score_kind(learner: Any) -> str:
    """Which of the three scores a learner has: ``margin``, ``cosine`` or ``alignment``.

    Example:
        >>> from unlearning_pl.learners import Classifier, SimCLR
        >>> score_kind(Classifier("resnet9_slim")), score_kind(SimCLR("resnet9_slim"))
        ('margin', 'cosine')
    """
    has_classes = learner.num_views == 1 and getattr(learner, "context_length", None) is None
    if getattr(learner, "knows_classes", has_classes) and hasattr(learner, "logits"):
        return "margin"
    return "cosine" if learner.num_views > 1 and hasattr(learner, "features") else "alignment"


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
