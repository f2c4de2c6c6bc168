"""A finished plan to change, and command lines that are parsed once."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from tiny_plan import RUNS, made, write

from unlearning_pl.benchmark import benchmark_plan
from unlearning_pl.cli.finished_runs import configuration

_parsed = cache(lambda *words: configuration([*words]))


@pytest.fixture(scope="module")
def _a_command_line_is_parsed_once() -> Iterator[None]:
    """For tests of plans that have the same command lines, and no file of settings that changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark_plan, "configuration", lambda words: _parsed(*words))
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, _undrawn: None) -> Path:
    """The plan, run by one process a seed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write()
        assert made([0]) == [*RUNS, "audit"]
        assert made([1]) == [*RUNS, "audit"]
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished plan, to change."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy/runs/tiny"


@pytest.fixture
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
