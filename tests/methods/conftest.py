"""A step without a trainer: an objective is called on a batch by hand, in float64."""

from types import SimpleNamespace

import pytest
import torch
from tiny import make_learner, make_rows

from unlearning_pl.learners import Learner
from unlearning_pl.sample import Batch, Sample


def widened(sample: Sample) -> Sample:
    return sample._replace(views=tuple(view.double() for view in sample.views))


@pytest.fixture
def batch() -> Batch:
    return {"retain": widened(make_rows(5)), "forget": widened(make_rows(3, start=5))}


@pytest.fixture
def learner(request: pytest.FixtureRequest) -> Learner:
    """In evaluation mode, so that rows do not meet in BatchNorm; terms are kept on ``learner.terms``."""
    learner = make_learner(getattr(request, "param", "SimCLR")).double().eval()
    learner.terms = {}

    def log(name: str, value: torch.Tensor, *, batch_size: int, **_: object) -> None:
        learner.terms[name.removeprefix("train/")] = (float(value), batch_size)

    learner.log = log
    return learner


@pytest.fixture
def splits() -> SimpleNamespace:
    """A data module's sizes: 30 retain and 10 forget samples."""
    sizes = {"retain": 30, "forget": 10, "validation": 0}
    return SimpleNamespace(positions=lambda split: torch.arange(sizes[split]))
