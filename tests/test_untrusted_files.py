"""No file of the package reads a pickle, YAML of Python objects, or code from a file."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "unlearning_pl"
FORBIDDEN = {"eval", "exec", "compile", "Unpickler", "loads_pickle", "read_pickle", "unsafe_load", "full_load"}
REQUIRED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.save": ("allow_pickle", False),
}
KNOWN = {"local_models.py": {"torch.jit.load"}}
"""TorchScript, of files that a user names: docs/security.md."""


def faults(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            found += [name for name in modules if name.split(".")[0] in ("dill", "cloudpickle", "joblib", "shelve")]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if name in REQUIRED and given.get(REQUIRED[name][0]) is not REQUIRED[name][1]:
            found.append(name)
        loader = [ast.unparse(word.value) for word in node.keywords if word.arg == "Loader"]
        if name in FORBIDDEN or name.rpartition(".")[2] in FORBIDDEN - {"eval", "compile"}:
            found.append(name)
        if name in ("pickle.load", "pickle.loads", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"):
            found.append(name)
        if name == "yaml.load" and loader != ["_UniqueKeyLoader"]:  # a SafeLoader
            found.append(name)
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_file_of_the_package_reads_code(path: Path) -> None:
    assert set(faults(ast.parse(path.read_text()))) <= KNOWN.get(path.name, set())


@pytest.mark.parametrize(
    "code",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pickle.load(file)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "torch.jit.load(path)",
        "import joblib",
        "eval(text)",
    ],
)
def test_what_would_be_a_fault_is_found(code: str) -> None:
    assert faults(ast.parse(code))
