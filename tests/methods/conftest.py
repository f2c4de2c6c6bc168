"""Runs that methods start from; and a step without a trainer: an objective is called on a batch by hand, in float64."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import LEARNERS, make_data, make_learner, make_rows, make_trainer

from unlearning_pl.learners import Learner
from unlearning_pl.types import Batch, Sample


def widened(sample: Sample) -> Sample:
    return sample._replace(views=tuple(view.double() for view in sample.views))


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of an epoch of every learner."""
    runs = {name: tmp_path_factory.mktemp(name) / "original" for name in LEARNERS}
    for name, run in runs.items():
        make_trainer(run, max_epochs=1).fit(make_learner(name), datamodule=make_data())
    return runs


@pytest.fixture
def batch() -> Batch:
    return {"retain": widened(make_rows(5)), "forget": widened(make_rows(3, start=5))}


@pytest.fixture
def learner(request: pytest.FixtureRequest) -> Learner:
    """In evaluation mode, so that rows do not meet in BatchNorm; terms are kept on ``learner.terms``."""
    learner = make_learner(getattr(request, "param", "SimCLR")).double().eval()
    learner.terms = {}

    def add(name: str, value: torch.Tensor, rows: int, shown: bool = False) -> None:
        learner.terms[name] = (float(value.detach()), rows)

    learner.epoch_terms.add = add
    return learner


@pytest.fixture
def splits() -> SimpleNamespace:
    """A data module's splits: 10 forget samples of ten classes, then 30 retain samples, and 5 held out."""
    places = {"retain": torch.arange(10, 40), "forget": torch.arange(10), "validation": torch.arange(40, 45)}
    return SimpleNamespace(
        positions=places.__getitem__, load=lambda: (SimpleNamespace(targets=torch.arange(40) % 10), 0)
    )
