"""Every test starts from one seed and leaves the environment as it found it."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator
from lightning.pytorch import seed_everything
from remembering import remembering
from tiny import LEARNERS, make_learner

from unlearning_pl.audits import Embeddings
from unlearning_pl.functional import attackers
from unlearning_pl.learners import Learner
from unlearning_pl.report import page
from unlearning_pl.sample import Split

torch.set_num_threads(1)  # the models are tiny
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


@pytest.hookimpl(tryfirst=True)  # before the plug-in that reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what one process runs where several do, ``-n 2 --dist loadgroup``: what shares costly fixtures.

    That is a file. Of the contract, the longest, it is the tests of one learner, or of one launch of two processes.
    """
    for item in items:
        group = item.path.stem
        if isinstance(item, pytest.Function) and group == "test_contract":
            named = item.callspec.params if hasattr(item, "callspec") else {}
            launch = next((name for name in ("launched", "half_batches") if name in item.fixturenames), None)
            group = f"{group}-{launch or named.get('name', 'SimCLR')}"
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    before = dict(os.environ)
    seed_everything(0, verbose=False)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def _every_report_keeps_its_schema() -> Iterator[None]:
    schema = Draft202012Validator(json.loads((Path(page.__file__).parent / "report.schema.json").read_text()))
    told = page.document
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "document", lambda *given: schema.validate(found := told(*given)) or found)
        yield


@pytest.fixture(autouse=True)
def _brief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attackers take a fifth of their steps where they are not what is tested: hundreds of audits train some."""
    if request.path.stem != "test_attackers":
        monkeypatch.setattr(attackers, "_STEPS", 30)


@pytest.fixture
def make() -> Callable[..., dict[Split, Embeddings]]:
    return remembering


@pytest.fixture(params=LEARNERS)
def learner(request: pytest.FixtureRequest) -> Learner:
    return make_learner(request.param)
