"""Runs that unlearning starts from, with many held-out images."""

from pathlib import Path

import pytest
from tiny import LEARNERS, make_learner, make_trainer
from training.stopping import data_of

from unlearning_pl.training import held_out_stop


@pytest.fixture(scope="session")
def held_out_originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of an epoch of every learner, in a folder of its name."""
    runs = {name: tmp_path_factory.mktemp(name) / "original" for name in LEARNERS}
    for name, run in runs.items():
        make_trainer(run, max_epochs=1, seed=0).fit(make_learner(name), datamodule=data_of())
    return runs


@pytest.fixture
def always_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interval without width: of a few images with a random model, nothing would be told apart."""
    monkeypatch.setattr(held_out_stop, "TOLD_APART", 1.0)
    monkeypatch.setattr(held_out_stop, "NO_MORE", 1.0)
