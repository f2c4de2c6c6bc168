"""Every test starts from one seed and leaves the environment as it found it."""

import unlearning_pl  # isort: skip  # noqa: F401  before anything that imports torchvision

import gc
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from devices import skip_without_gpu, trainer_options
from jsonschema import Draft202012Validator
from lightning.pytorch import seed_everything
from markupsafe import Markup
from remembering import remembering
from tiny import LEARNERS, make_learner

from unlearning_pl.audits import Embeddings
from unlearning_pl.data.sources import digits
from unlearning_pl.functional import learned_attacks
from unlearning_pl.learners import Learner
from unlearning_pl.report import html_page, sections, tensorboard
from unlearning_pl.types import Split

torch.set_num_threads(1)  # the models are tiny
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cuda", choices=["cuda", "cpu"], help="Device of the tests marked gpu.")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from file_groups import Groups  # xdist is there: it calls this

    return Groups(config, log)


LONGEST = [
    "methods/test_two_processes.py",
    "methods/test_half_batches.py",
    "test_configs.py",
    "benchmark/test_run_benchmark.py",
    "benchmark/test_run_states.py",
    "benchmark/test_plan_mistakes.py",
    "shadow/test_train_shadows.py",
    "methods/test_contract.py",
    "commands/test_command_mistakes.py",
    "commands/test_resumed_and_kept_runs.py",
    "test_docs.py",
    "methods/test_gradient_penalty.py",
    "training/test_checkpoints.py",
    "report/test_html_page.py",
    "report/test_browser.py",
    "commands/test_demo.py",
    "training/test_forgetting_again.py",
    "functional/test_learned_attacks.py",
    "audits/test_definitions.py",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests of a GPU without one, and put files that take long first.

    One of them at the end would keep one process busy and the others waiting.
    """
    skip_without_gpu(config, items)
    order = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not look at it again, thousands of times."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seed() -> Iterator[None]:
    before = dict(os.environ)
    seed_everything(0, verbose=False)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session", autouse=True)
def _every_report_keeps_its_schema() -> Iterator[None]:
    schema = Draft202012Validator(json.loads((Path(html_page.__file__).parent / "report.schema.json").read_text()))
    told = html_page.build_report
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html_page, "build_report", lambda *given: schema.validate(found := told(*given)) or found)
        yield


@pytest.fixture(scope="session", autouse=True)
def _digits_are_read_once() -> Iterator[None]:
    """Hundreds of runs begin with the same file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "load_digits", cache(digits.load_digits))
        yield


@pytest.fixture(autouse=True)
def _brief(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attackers take a fifth of their steps where they are not what is tested: hundreds of audits train some."""
    if request.path.stem != "test_learned_attacks":
        monkeypatch.setattr(learned_attacks, "_STEPS", 30)


@contextmanager
def without_figures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections, "svg", lambda *_: Markup(""))
        patch.setattr(tensorboard, "draw_figures", lambda *_: {})
        yield


@pytest.fixture(scope="module")
def _undrawn() -> Iterator[None]:
    """Reports and event files lack their figures, where nobody looks at them: these take most of the time."""
    with without_figures():
        yield


@pytest.fixture
def _undrawn_here() -> Iterator[None]:
    """The same for one test, where another looks at them."""
    with without_figures():
        yield


@pytest.fixture
def make() -> Callable[..., dict[Split, Embeddings]]:
    return remembering


@pytest.fixture(params=LEARNERS)
def learner(request: pytest.FixtureRequest) -> Learner:
    return make_learner(request.param)


@pytest.fixture(params=[pytest.param("device", marks=pytest.mark.gpu)])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Arguments of a trainer on the device under test, or on the place that a test's parameter names."""
    return trainer_options(request.param, request.config)
