"""Docstrings and defaults of classes, read from their source: importing them would import torch, which is slow."""

import ast
import inspect
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = Path(__file__).parents[1]


class Documented(NamedTuple):
    """What the source of a class or method documents.

    Attributes:
        summary: First line of the docstring.
        arguments: Text of each argument, on one line.
        defaults: Default of each argument that has a literal one.
        bases: Names of the base classes.
    """

    summary: str
    arguments: dict[str, str]
    defaults: dict[str, Any]
    bases: tuple[str, ...]


@cache
def documented(file: str, name: str) -> Documented:
    """Read the documentation of a class, or of a method by ``Class.method``.

    Args:
        file: Source file, relative to the package.
        name: Name of the class or method.

    Raises:
        KeyError: If the file has no such class or method.

    Example:
        >>> documented("data/splits/forget_request.py", "ForgetRequest").arguments["count"]
        'Number of training images to draw at random.'
        >>> documented("data/datamodule.py", "UnlearningData").defaults["batch_size"]
        256
    """
    node: Any = _parse(file)
    for part in name.split("."):
        node = {child.name: child for child in node.body if isinstance(child, (ast.ClassDef, ast.FunctionDef))}[part]
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    bases = tuple(ast.unparse(base) for base in getattr(node, "bases", ()))
    return Documented(text.partition("\n")[0], _arguments(text), _defaults(node), bases)


@cache
def exported(package: str) -> dict[str, Documented]:
    """Read the classes that a package exports in ``__all__``, by name, in this order.

    Args:
        package: A package below this one, such as ``methods``.

    Example:
        >>> exported("methods")["NegGrad"].bases
        ('Unlearner',)
    """
    tree = _parse(f"{package}/__init__.py")
    homes = {
        alias.asname or alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assignments = (node for node in tree.body if isinstance(node, ast.Assign))
    listed = next(ast.literal_eval(node.value) for node in assignments if ast.unparse(node.targets[0]) == "__all__")
    files = {name: f"{homes[name].partition('.')[2].replace('.', '/')}.py" for name in listed if name in homes}
    classes = {}
    for name, file in files.items():
        if any(isinstance(node, ast.ClassDef) and node.name == name for node in _parse(file).body):
            classes[name] = documented(file, name)
    return classes


@cache
def _parse(file: str) -> ast.Module:
    return ast.parse((_PACKAGE / file).read_text(encoding="utf-8"))


def _arguments(text: str) -> dict[str, str]:
    """The section ``Args`` of a docstring in Google's style."""
    arguments: dict[str, str] = {}
    section = text.partition("\nArgs:\n")[2].partition("\n\n")[0]
    name = ""
    for line in section.splitlines():
        if not line.startswith("     "):
            name, _, line = line.strip().partition(": ")
            arguments[name] = ""
        arguments[name] = f"{arguments[name]} {line.strip()}".strip()
    return arguments


def _defaults(node: ast.ClassDef | ast.FunctionDef) -> dict[str, Any]:
    """Literal defaults of a method, of the method ``__init__`` of a class, or of the fields of a dataclass."""
    fields = {}
    if isinstance(node, ast.ClassDef):
        given = [field for field in node.body if isinstance(field, ast.AnnAssign) and field.value is not None]
        fields = {ast.unparse(field.target): field.value for field in given}
        constructors = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        node = constructors[0] if constructors else node
    if isinstance(node, ast.FunctionDef):
        positional, keywords = node.args.args, node.args.defaults
        fields |= {
            arg.arg: value for arg, value in zip(positional[len(positional) - len(keywords) :], keywords, strict=True)
        }
        fields |= {
            arg.arg: value for arg, value in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if value
        }
    return {name: value.value for name, value in fields.items() if isinstance(value, ast.Constant)}
