"""The API reference: a page per package, with each name of its ``__all__``, and one of ``functional``."""

import ast
import inspect
import pkgutil
from importlib import import_module
from types import ModuleType

import unlearning_pl
from unlearning_pl import functional

ROOT = unlearning_pl.__name__


def packages() -> list[str]:
    """Packages with public names, without the first one.

    Example:
        >>> "unlearning_pl.methods" in packages()
        True
    """
    modules = pkgutil.iter_modules(unlearning_pl.__path__, f"{ROOT}.")
    return [module.name for module in modules if module.ispkg and hasattr(import_module(module.name), "__all__")]


def functions() -> dict[str, list[str]]:
    """Public functions and classes of the modules of ``functional``, which have no ``__all__``."""
    names = {}
    for module in pkgutil.iter_modules(functional.__path__, f"{functional.__name__}."):
        tree = ast.parse(inspect.getsource(import_module(module.name)))
        defined = [node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
        names[module.name] = [name for name in defined if not name.startswith("_")]
    return names


def api_pages() -> dict[str, str]:
    """Content of each page by its path, the overview first."""
    pages = {f"api/{name.rpartition('.')[2]}.md": _package_page(name) for name in packages()}
    blocks = [
        f"## {module.rpartition('.')[2]}\n\n{_summary(import_module(module))}\n\n" + _blocks(module, names, 3)
        for module, names in functions().items()
    ]
    pages["api/functional.md"] = f"# {functional.__name__}\n\n{inspect.getdoc(functional)}\n\n" + "\n\n".join(blocks)
    return {"api/index.md": _overview(), **pages}


def homes() -> dict[str, str]:
    """Name on these pages of each public name of the first package: a package below describes most of them."""
    below = {name: f"{package}.{name}" for package in packages() for name in import_module(package).__all__}
    return {name: below.get(name, f"{ROOT}.{name}") for name in unlearning_pl.__all__}


class References:
    """Finds the full name, on these pages, of what a role names.

    Example:
        >>> References()("unlearning_pl.methods.salun.SalUn"), References()("unlearning_pl.errors.quote")
        ('unlearning_pl.methods.SalUn', None)
    """

    def __init__(self) -> None:
        names = [f"{package}.{name}" for package in packages() for name in import_module(package).__all__]
        names += [f"{module}.{name}" for module, own in functions().items() for name in own]
        names += [full for full in homes().values() if full not in names]
        found = {full: pkgutil.resolve_name(full) for full in names}
        found = {full: value for full, value in found.items() if not isinstance(value, ModuleType)}
        self._names = {id(value): full for full, value in found.items()}
        self._short = {full.rpartition(".")[2]: full for full in found}

    def __call__(self, target: str) -> str | None:
        """Full name of a target; None if the pages do not describe it."""
        if "." not in target:
            return self._short.get(target)
        owner, _, member = target.rpartition(".")
        for name, rest in ((target, ""), (owner, f".{member}")):
            try:
                found = self._names.get(id(pkgutil.resolve_name(name)))
            except (ImportError, AttributeError, ValueError):
                continue
            if found is not None:
                return found + rest
        return None


def _overview() -> str:
    described = homes()
    own = [name for name in unlearning_pl.__all__ if described[name] == f"{ROOT}.{name}"]
    own = [name for name in own if not isinstance(getattr(unlearning_pl, name), ModuleType)]
    lines = [
        f"- [`{name}`][{described[name]}]: {_summary(getattr(unlearning_pl, name))}"
        for name in unlearning_pl.__all__
        if described[name] != f"{ROOT}.{name}"
    ]
    modules = [*packages(), functional.__name__]
    lines += [f"- [`{name}`]({name.rpartition('.')[2]}.md): {_summary(import_module(name))}" for name in modules]
    text = "\n".join(lines)
    return f"# API reference\n\n{inspect.getdoc(unlearning_pl)}\n\n{text}\n\n{_blocks(ROOT, own, 2)}\n"


def _package_page(name: str) -> str:
    package = import_module(name)
    return f"# {name}\n\n{inspect.getdoc(package)}\n\n{_blocks(name, package.__all__, 2)}\n"


def _blocks(module: str, names: list[str], level: int) -> str:
    return "\n\n".join(f"::: {module}.{name}\n    options:\n      heading_level: {level}" for name in names)


def _summary(described: object) -> str:
    return (inspect.getdoc(described) or "").partition("\n\n")[0].replace("\n", " ")
