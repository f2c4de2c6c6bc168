"""The score of each image by which attacks tell whether a learner was trained on it.

Letters: B rows of a batch.
"""

from typing import Any

from torch import Tensor
from torch.nn.functional import cosine_similarity

from unlearning_pl.functional.confidence import scaled_logit
from unlearning_pl.functional.precision import full_precision
from unlearning_pl.learners.feature_memory import features_of
from unlearning_pl.learners.learner import Learner
from unlearning_pl.types import Sample


def membership_score(learner: Learner, sample: Sample, outputs: Any = None) -> Tensor:
    """Membership score of each image, ``(B,)``, with a gradient; higher for images that the learner was trained on.

    A learner with classes is attacked by the log odds of the true class
    (:func:`~unlearning_pl.functional.confidence.scaled_logit`), one of two views by the cosine of their features
    (EncoderMI, arXiv 2108.11023), and one of image-text pairs by its alignment. Audits compute the same scores.

    Args:
        learner: The learner; within :func:`~unlearning_pl.learners.feature_memory.remember_features` the features of
            ``outputs`` are not computed again.
        sample: B images, with as many views as the learner's loss has.
        outputs: What ``learner.outputs`` returned for the sample; computed where it is needed and not given.
    """
    knows_classes = getattr(learner, "knows_classes", False)
    if learner.num_views > 1 and not knows_classes:
        first, second = (features_of(learner, view) for view in sample.views[:2])
        return full_precision(cosine_similarity)(first, second)
    outputs = learner.outputs(sample) if outputs is None else outputs
    if knows_classes:
        return scaled_logit(learner.logits(outputs), sample.target)
    return learner.alignment(outputs, sample)
