"""Whether the original knows its own training images, before anything is unlearned.

Letters: B rows, K classes.
"""

import torch

from unlearning_pl.data import UnlearningData
from unlearning_pl.data.plans import InputSpec, SamplePlan
from unlearning_pl.learners import Learner

_ROWS = 256  # training images that are classified
_EXPECTED = 0.5  # of its own training images a model gets more than this


def doubt_original(learner: Learner, data: UnlearningData) -> str | None:
    """Say so if a classifier gets less than half of its own training images: it may read them in another way.

    Args:
        learner: The model; it is put into evaluation mode.
        data: The data, with a request.

    Returns:
        A sentence; None for a model that knows its images, and for one without class scores.
    """
    positions = data.positions("retain")
    rows = positions[torch.linspace(0, len(positions) - 1, min(_ROWS, len(positions))).long()]
    learner = learner.cpu().eval()
    sample = data.samples_at(rows, SamplePlan.embedding(InputSpec.of(learner), 0, seed=0))
    with torch.no_grad():
        logits = learner.classify(learner.features(sample.views[0]))
    if logits is None:
        return None
    known = (logits.argmax(dim=1) == sample.target).double().mean().item()
    if known >= _EXPECTED:
        return None
    return (
        f"Check: the original gets {100 * known:.0f} % of {len(rows)} of its own training images right, and chance is "
        f"{100 / logits.shape[1]:.0f} %. If it was better in training, it reads them in another way here: compare "
        "--image_size, the order of the classes and the normalisation."
    )
