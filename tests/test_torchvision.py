"""torchvision imports, whichever way its own library loads or does not."""

import subprocess
import sys

import torchvision

IMPORT = "import unlearning_pl, torch, torchvision; print(torchvision.ops.nms.__name__)"
PRETEND = """
import torch
def load(path):
    raise OSError("undefined symbol")
torch.ops.load_library = load
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


def test_torchvision_imports_after_the_package() -> None:
    """As it did here, where conftest.py imports the package before anything that imports torchvision."""
    assert torchvision.ops.nms.__name__ == "nms"


def test_torchvision_imports_where_its_library_does_not_load() -> None:
    done = run(PRETEND + IMPORT)
    assert done.stdout.strip() == "nms", done.stderr


def test_nothing_is_declared_where_the_library_loads() -> None:
    code = """
import torch
loaded = []
torch.ops.load_library = loaded.append
import importlib.util, pathlib
import unlearning_pl._torchvision as shim
print(shim._fragment is None, len(loaded) > 0)
"""
    # Importing the package imports the shim first, and with a library that "loads" it declares nothing.
    done = run(code)
    assert done.stdout.strip() == "True True", done.stderr
