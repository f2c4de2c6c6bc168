"""A step without a trainer: an objective is called on a batch by hand."""

from types import SimpleNamespace

import pytest
import torch
from tiny import make_learner, make_rows

from unlearning_pl.learners import Learner
from unlearning_pl.sample import Batch


@pytest.fixture
def batch() -> Batch:
    return {"retain": make_rows(5), "forget": make_rows(3, start=5)}


@pytest.fixture
def learner(request: pytest.FixtureRequest) -> Learner:
    """In evaluation mode, so that rows do not meet in BatchNorm; terms are kept on ``learner.terms``."""
    learner = make_learner(getattr(request, "param", "SimCLR")).eval()
    learner.terms = {}
    learner.log_term = lambda name, value, rows, **_: learner.terms.update({name: (float(value.detach()), rows)})
    return learner


@pytest.fixture
def splits() -> SimpleNamespace:
    """A data module's sizes: 30 retain and 10 forget samples."""
    sizes = {"retain": 30, "forget": 10}
    return SimpleNamespace(positions=lambda split: torch.arange(sizes[split]))
