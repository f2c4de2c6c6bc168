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
import unlearning_pl._torchvision as shim
shim._declare_missing_operators()
print(shim._fragments == [], len(loaded) > 0)
"""
    done = run(code)
    assert done.stdout.strip() == "True True", done.stderr


def test_importing_the_package_imports_neither_torch_nor_lightning() -> None:
    done = run("import sys, unlearning_pl; print({'torch', 'lightning', 'torchvision'} & {*sys.modules})")
    assert done.stdout.strip() == "set()", done.stderr
