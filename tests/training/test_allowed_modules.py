"""What --allow MODULE allows: what the module defines itself."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unlearning_pl.learners import Learner
from unlearning_pl.training.trusted_classes import foreign_names

FILES = {
    "__init__": "",
    "danger": "class Runs: pass",
    "models": """
from package import danger
from package.danger import Runs
from unlearning_pl.learners import SimCLR
class Net: pass
class Outer:
    class Inner: pass
""",
}


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "package").mkdir()
    for name, text in FILES.items():
        (tmp_path / f"package/{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("package.models", "package.danger", "package"):
        sys.modules.pop(name, None)


def foreign(name: str, allow: str) -> list[str]:
    return [*foreign_names({"class_path": name}, Learner, [allow])]


@pytest.mark.parametrize("name", ["Net", "Outer.Inner"])
def test_what_a_module_defines_is_allowed_with_it(name: str) -> None:
    assert foreign(f"package.models.{name}", "package.models") == []


@pytest.mark.parametrize("name", ["Runs", "danger.Runs", "danger", "SimCLR"])
def test_what_a_module_imports_of_its_own_package_is_not(name: str) -> None:
    path = f"package.models.{name}"
    assert foreign(path, "package.models") == [path]
    assert name != "Runs" or foreign(path, "package") == []  # the whole package is
