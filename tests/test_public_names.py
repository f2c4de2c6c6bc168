"""What ``import unlearning_pl`` offers, and what it costs."""

import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import unlearning_pl


@pytest.mark.parametrize("name", unlearning_pl.__all__)
def test_each_public_name_is_there(name: str) -> None:
    found = getattr(unlearning_pl, name)
    if name[0].isupper() or callable(found):
        assert found.__name__ == name
        assert getattr(importlib.import_module(found.__module__), name) is found
    else:
        assert isinstance(found, (ModuleType, str))
    assert name in dir(unlearning_pl)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="module 'unlearning_pl' has no attribute 'UnlearningTrainr'"):
        unlearning_pl.UnlearningTrainr  # noqa: B018


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["fitt"]])
def test_heavy_imports_happen_inside_commands(words: list[str]) -> None:
    """``unlearning-pl --help`` and a mistyped command answer without torch, which takes seconds to import."""
    code = f"""
import sys
from unlearning_pl.commands.main import main
code = main({words})
heavy = {{"torch", "lightning", "torchvision", "sklearn", "matplotlib"}} & {{*sys.modules}}
print(f"code {{code}} heavy {{heavy}}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith(f"code {2 if words == ['fitt'] else 0} heavy set()\n")
    assert ("Expected a command, got 'fitt'. " in done.stderr) == (words == ["fitt"])
